/**
 * Transactions of other servers that were taken, in SQLite: a row for each, with what was answered.
 */
import type { ServerName } from '../../matrix/identifiers.ts';
import type { ReceivedTransaction, TransactionStore } from '../../ports/federation-store.ts';
import type { Database } from './database.ts';

export class SqliteTransactionStore implements TransactionStore {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async find(origin: ServerName, txnId: string): Promise<ReceivedTransaction | null> {
    const row = this.#db
      .prepare(
        `SELECT received_ts AS receivedTs, response FROM received_transactions WHERE origin = ? AND txn_id = ? LIMIT 1`,
      )
      .get<{ receivedTs: number; response: string }>(origin, txnId);
    return row === undefined ? null : { origin, txnId, receivedTs: row.receivedTs, response: row.response };
  }

  async save(
    { origin, txnId, receivedTs, response }: ReceivedTransaction,
    keepPerOrigin: number | null,
  ): Promise<void> {
    this.#db.transaction(() => {
      this.#db
        .prepare(
          `INSERT INTO received_transactions (origin, txn_id, received_ts, response) VALUES (?, ?, ?, ?)
           ON CONFLICT DO UPDATE SET received_ts = excluded.received_ts, response = excluded.response`,
        )
        .run(origin, txnId, receivedTs, response);
      if (keepPerOrigin === null) return;
      // This one is the newest, also among several of one millisecond.
      this.#db
        .prepare(
          `DELETE FROM received_transactions WHERE origin = ? AND txn_id IN (
             SELECT txn_id FROM received_transactions WHERE origin = ? AND txn_id <> ?
             ORDER BY received_ts DESC LIMIT -1 OFFSET ?)`,
        )
        .run(origin, origin, txnId, Math.max(0, keepPerOrigin - 1));
    });
  }

  async forget({ receivedBeforeTs, keepNewest }: Parameters<TransactionStore['forget']>[0]): Promise<number> {
    const firstBeyond = this.#db
      .prepare('SELECT received_ts AS ts FROM received_transactions ORDER BY received_ts DESC LIMIT 1 OFFSET ?')
      .get<{ ts: number }>(keepNewest);
    const beforeTs = Math.max(receivedBeforeTs, firstBeyond === undefined ? 0 : firstBeyond.ts + 1);
    return this.#db.prepare('DELETE FROM received_transactions WHERE received_ts < ?').run(beforeTs).changes;
  }
}
