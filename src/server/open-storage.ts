/**
 * Second stage of a start: the database and the stores on it.
 */
import { SqliteAccountStore } from '../adapters/sqlite/account-store.ts';
import { type Database, openDatabase } from '../adapters/sqlite/database.ts';
import { SqlitePresenceStore } from '../adapters/sqlite/presence-store.ts';
import { SqliteRoomStore } from '../adapters/sqlite/room-store.ts';
import type { DatabaseConfig } from '../config/config.ts';
import type { AccountStore } from '../ports/account-store.ts';
import type { Logger } from '../ports/logger.ts';
import type { PresenceStore } from '../ports/presence-store.ts';
import type { RoomStore } from '../ports/room-store.ts';
import type { Releases } from './releases.ts';

export interface Storage {
  readonly database: Database;
  readonly accounts: AccountStore;
  readonly rooms: RoomStore;
  readonly presence: PresenceStore;
}

/** @throws PortError whose message says what is wrong with the file */
export function openStorage(config: DatabaseConfig, logger: Logger, releases: Releases): Storage {
  const database = openDatabase({
    path: config.path,
    busyTimeoutMs: config.busyTimeoutMs,
    ...(config.maxPageCount === null ? {} : { maxPageCount: config.maxPageCount }),
    logger,
  });
  releases.add('database', () => {
    database.close();
  });
  return {
    database,
    accounts: new SqliteAccountStore(database),
    rooms: new SqliteRoomStore(database),
    presence: new SqlitePresenceStore(database),
  };
}
