/**
 * Presence, and the one counter of the homeserver's stream.
 *
 * Kept answers have their own table: a state is written often, an answer may name thousands of users and is written once.
 * `presence_position` holds the ceiling of the presence stream, below which every position may have been shown to a client.
 */
import type { Migration } from './migration.ts';

export const presenceMigration: Migration = {
  version: 1,
  name: 'presence',
  sql: `
    CREATE TABLE stream (
      id INTEGER PRIMARY KEY CHECK (id = 1),
      position INTEGER NOT NULL
    ) STRICT;
    INSERT INTO stream (id, position) VALUES (1, 0);

    CREATE TABLE presence (
      user_id TEXT PRIMARY KEY,
      state TEXT NOT NULL,
      last_active_ts INTEGER NOT NULL,
      last_federation_update_ts INTEGER NOT NULL,
      last_user_sync_ts INTEGER NOT NULL,
      status_msg TEXT,
      currently_active INTEGER NOT NULL,
      position INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE presence_routed (
      user_id TEXT PRIMARY KEY REFERENCES presence (user_id) ON DELETE CASCADE,
      position INTEGER NOT NULL,
      routed_to TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE presence_position (
      id INTEGER PRIMARY KEY CHECK (id = 1),
      ceiling INTEGER NOT NULL
    ) STRICT;
    INSERT INTO presence_position (id, ceiling) VALUES (1, 0);

    CREATE TABLE presence_full_marks (
      user_id TEXT PRIMARY KEY,
      position INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
  `,
};
