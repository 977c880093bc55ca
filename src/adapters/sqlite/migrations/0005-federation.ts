/**
 * What federation remembers: other servers' keys, how destinations do, and which transactions were taken.
 */
import type { Migration } from './migration.ts';

export const federationMigration: Migration = {
  version: 5,
  name: 'federation',
  sql: `
    CREATE TABLE peer_keys (
      server_name TEXT NOT NULL,
      key_id TEXT NOT NULL,
      public_key TEXT NOT NULL,
      valid_until_ts INTEGER NOT NULL,
      fetched_ts INTEGER NOT NULL,
      PRIMARY KEY (server_name, key_id)
    ) WITHOUT ROWID;
    CREATE INDEX peer_keys_age ON peer_keys (fetched_ts);

    CREATE TABLE destinations (
      destination TEXT NOT NULL PRIMARY KEY,
      failures INTEGER NOT NULL,
      retry_at_ts INTEGER NOT NULL,
      retry_interval_ms INTEGER NOT NULL,
      owed_since_ts INTEGER
    ) WITHOUT ROWID;

    CREATE TABLE federation_progress (
      id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
      delivered_until_ts INTEGER NOT NULL
    );

    CREATE TABLE received_transactions (
      origin TEXT NOT NULL,
      txn_id TEXT NOT NULL,
      received_ts INTEGER NOT NULL,
      response TEXT NOT NULL,
      PRIMARY KEY (origin, txn_id)
    ) WITHOUT ROWID;
    CREATE INDEX received_transactions_origin ON received_transactions (origin, received_ts);
    CREATE INDEX received_transactions_age ON received_transactions (received_ts);
  `,
};
