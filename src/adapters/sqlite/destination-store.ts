/**
 * How destinations do, in SQLite: a row for each that fails or is owed something, and how far everything has been delivered.
 */
import type { ServerName } from '../../matrix/identifiers.ts';
import type { DestinationRow, DestinationStore } from '../../ports/federation-store.ts';
import type { Database } from './database.ts';

interface StoredRow {
  readonly destination: ServerName;
  readonly failures: number;
  readonly retry_at_ts: number;
  readonly retry_interval_ms: number;
  readonly owed_since_ts: number | null;
}

export class SqliteDestinationStore implements DestinationStore {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async loadAll(): Promise<readonly DestinationRow[]> {
    const rows = this.#db
      .prepare('SELECT destination, failures, retry_at_ts, retry_interval_ms, owed_since_ts FROM destinations')
      .all<StoredRow>();
    return rows.map((row) => ({
      destination: row.destination,
      failures: row.failures,
      retryAtTs: row.retry_at_ts,
      retryIntervalMs: row.retry_interval_ms,
      owedSinceTs: row.owed_since_ts,
    }));
  }

  async save(rows: readonly DestinationRow[]): Promise<void> {
    if (rows.length === 0) return;
    const save = this.#db.prepare(`
      INSERT INTO destinations (destination, failures, retry_at_ts, retry_interval_ms, owed_since_ts)
      VALUES (?, ?, ?, ?, ?)
      ON CONFLICT (destination) DO UPDATE SET
        failures = excluded.failures, retry_at_ts = excluded.retry_at_ts,
        retry_interval_ms = excluded.retry_interval_ms, owed_since_ts = excluded.owed_since_ts`);
    this.#db.transaction(() => {
      for (const row of rows) {
        save.run(row.destination, row.failures, row.retryAtTs, row.retryIntervalMs, row.owedSinceTs);
      }
    });
  }

  async remove(destinations: readonly ServerName[]): Promise<void> {
    if (destinations.length === 0) return;
    const remove = this.#db.prepare('DELETE FROM destinations WHERE destination = ?');
    this.#db.transaction(() => {
      for (const destination of destinations) remove.run(destination);
    });
  }

  async deliveredUntilTs(): Promise<number> {
    const row = this.#db
      .prepare('SELECT delivered_until_ts FROM federation_progress WHERE id = 1')
      .get<{ delivered_until_ts: number }>();
    return row?.delivered_until_ts ?? 0;
  }

  async setDeliveredUntilTs(ts: number): Promise<void> {
    this.#db
      .prepare(`
        INSERT INTO federation_progress (id, delivered_until_ts) VALUES (1, ?)
        ON CONFLICT (id) DO UPDATE SET delivered_until_ts = excluded.delivered_until_ts`)
      .run(ts);
  }
}
