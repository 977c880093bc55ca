/**
 * The one counter of the homeserver's stream: events, memberships, receipts, account data and the rest take their
 * positions from it, inside the transaction that writes them, so that positions become visible in order and none is lost.
 */
import type { Database } from './database.ts';

/** Takes `count` positions and returns the last of them (the only one by default). Call it inside `db.transaction`. */
export function nextStreamPosition(db: Database, count = 1): number {
  if (!db.inTransaction) throw new Error('a stream position is taken in the transaction that uses it');
  const row = db
    .prepare('UPDATE stream SET position = position + ? WHERE id = 1 RETURNING position')
    .get<{ position: number }>(count);
  if (row === undefined) throw new Error('the stream table has lost its row');
  return row.position;
}

/** The newest position that was taken; 0 in a new database. */
export function currentStreamPosition(db: Database): number {
  return db.prepare('SELECT position FROM stream WHERE id = 1').get<{ position: number }>()?.position ?? 0;
}
