/**
 * Other servers' keys in SQLite: a row for each key.
 */
import type { ServerName } from '../../matrix/identifiers.ts';
import type { PeerKey, PeerKeyStore } from '../../ports/federation-store.ts';
import type { Database } from './database.ts';

const COLUMNS =
  'server_name AS serverName, key_id AS keyId, public_key AS publicKey, valid_until_ts AS validUntilTs, fetched_ts AS fetchedTs';

export class SqlitePeerKeyStore implements PeerKeyStore {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async load(serverName: ServerName): Promise<readonly PeerKey[]> {
    const rows = this.#db
      .prepare(`SELECT ${COLUMNS} FROM peer_keys WHERE server_name = ? ORDER BY key_id`)
      .all<PeerKey>(serverName);
    return rows.map((row) => ({ ...row }));
  }

  async save(keys: readonly PeerKey[]): Promise<void> {
    if (keys.length === 0) return;
    const remove = this.#db.prepare('DELETE FROM peer_keys WHERE server_name = ?');
    const insert = this.#db.prepare(
      'INSERT INTO peer_keys (server_name, key_id, public_key, valid_until_ts, fetched_ts) VALUES (?, ?, ?, ?, ?)',
    );
    this.#db.transaction(() => {
      for (const serverName of new Set(keys.map((key) => key.serverName))) remove.run(serverName);
      for (const { serverName, keyId, publicKey, validUntilTs, fetchedTs } of keys) {
        insert.run(serverName, keyId, publicKey, validUntilTs, fetchedTs);
      }
    });
  }

  async forget({ fetchedBeforeTs, keepNewest }: { fetchedBeforeTs: number; keepNewest: number }): Promise<number> {
    const firstBeyond = this.#db
      .prepare('SELECT fetched_ts AS ts FROM peer_keys ORDER BY fetched_ts DESC LIMIT 1 OFFSET ?')
      .get<{ ts: number }>(keepNewest);
    const beforeTs = Math.max(fetchedBeforeTs, firstBeyond === undefined ? 0 : firstBeyond.ts + 1);
    return this.#db.prepare('DELETE FROM peer_keys WHERE fetched_ts < ?').run(beforeTs).changes;
  }
}
