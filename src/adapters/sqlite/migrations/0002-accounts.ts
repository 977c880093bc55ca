/**
 * Accounts: users, devices, access tokens, profiles, filters, account data.
 *
 * Tokens are separate from devices because logging in again replaces the token and keeps the device. The token's hash is
 * looked up for every token that is not in memory, hence its index. `room_id` is '' for global account data.
 */
import type { Migration } from './migration.ts';

export const accountsMigration: Migration = {
  version: 2,
  name: 'accounts',
  sql: `
    CREATE TABLE users (
      user_id TEXT PRIMARY KEY,
      password_hash TEXT,
      is_admin INTEGER NOT NULL,
      user_type TEXT,
      creation_ts INTEGER NOT NULL,
      is_deactivated INTEGER NOT NULL DEFAULT 0,
      displayname TEXT,
      avatar_url TEXT
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE devices (
      user_id TEXT NOT NULL REFERENCES users (user_id),
      device_id TEXT NOT NULL,
      display_name TEXT,
      last_seen_ts INTEGER,
      last_seen_ip TEXT,
      PRIMARY KEY (user_id, device_id)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE access_tokens (
      token_id INTEGER PRIMARY KEY AUTOINCREMENT,
      token_hash TEXT NOT NULL UNIQUE,
      user_id TEXT NOT NULL,
      device_id TEXT NOT NULL,
      UNIQUE (user_id, device_id),
      FOREIGN KEY (user_id, device_id) REFERENCES devices (user_id, device_id) ON DELETE CASCADE
    ) STRICT;

    CREATE TABLE filters (
      user_id TEXT NOT NULL REFERENCES users (user_id),
      filter_id INTEGER NOT NULL,
      definition TEXT NOT NULL,
      PRIMARY KEY (user_id, filter_id)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE account_data (
      user_id TEXT NOT NULL REFERENCES users (user_id),
      room_id TEXT NOT NULL,
      type TEXT NOT NULL,
      content TEXT NOT NULL,
      position INTEGER NOT NULL,
      PRIMARY KEY (user_id, room_id, type)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX account_data_by_position ON account_data (user_id, position);
  `,
};
