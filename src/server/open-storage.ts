/**
 * First stage of a start: the database and the stores on it.
 */
import { SqlitePresenceStore } from '../adapters/sqlite/presence-store.ts';
import { SqliteRoomStore } from '../adapters/sqlite/room-store.ts';
import { type Database, openDatabase } from '../adapters/sqlite/database.ts';
import type { DatabaseConfig } from '../config/config.ts';
import type { Logger } from '../ports/logger.ts';
import type { PresenceStore } from '../ports/presence-store.ts';
import type { RoomStore } from '../ports/room-store.ts';
import type { Releases } from './releases.ts';

export interface Storage {
  readonly database: Database;
  readonly presence: PresenceStore;
  readonly rooms: RoomStore;
}

/** @throws PortError whose message says what is wrong with the file */
export function openStorage(config: DatabaseConfig, logger: Logger, releases: Releases): Storage {
  const database = openDatabase({
    path: config.path,
    busyTimeoutMs: config.busyTimeoutMs,
    ...(config.maxPageCount === null ? {} : { maxPageCount: config.maxPageCount }),
    logger,
  });
  releases.add('database', () => database.close());
  return { database, presence: new SqlitePresenceStore(database), rooms: new SqliteRoomStore(database) };
}
