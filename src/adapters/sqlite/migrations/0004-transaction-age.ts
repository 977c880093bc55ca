/**
 * Finds the oldest remembered transactions, so that each append can forget some that are past their time.
 */
import type { Migration } from './migration.ts';

export const transactionAgeMigration: Migration = {
  version: 4,
  name: 'transaction age',
  sql: `CREATE INDEX room_events_txn_age ON room_events (origin_server_ts) WHERE txn_id IS NOT NULL;`,
};
