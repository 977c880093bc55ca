import { describe, expect, it } from 'vitest';
import { SilentLogger } from '../../src/adapters/memory/logger.ts';
import { openDatabase } from '../../src/adapters/sqlite/database.ts';
import { SqliteRoomStore } from '../../src/adapters/sqlite/room-store.ts';
import { roomStoreSuite } from '../../src/ports/testing/room-store.suite.ts';
import { runSuiteOnSqlite } from '../support/sqlite-stores.ts';

const logger = new SilentLogger();

runSuiteOnSqlite('SqliteRoomStore', roomStoreSuite, (db) => new SqliteRoomStore(db));

describe('SqliteRoomStore', () => {
  it('answers the questions of every request and sync from an index', () => {
    const db = openDatabase({ path: ':memory:', logger });
    const plan = (sql: string, ...params: (string | number)[]): string =>
      db
        .prepare(`EXPLAIN QUERY PLAN ${sql}`)
        .all<{ detail: string }>(...params)
        .map((row) => row.detail)
        .join('\n');
    expect(
      plan(
        'SELECT event_id FROM room_events WHERE room_nid = ? AND position > ? AND position <= ? ORDER BY position',
        1,
        1,
        1,
      ),
    ).toContain('room_events_by_room');
    expect(
      plan(
        `SELECT max(position) FROM room_events WHERE room_nid = ? AND state_key IS NOT NULL AND position <= ?
          GROUP BY type, state_key`,
        1,
        1,
      ),
    ).toMatch(/^SEARCH room_events USING (COVERING )?INDEX room_events_state \(room_nid=\?\)$/);
    expect(
      plan(`SELECT json_group_array(user_id) FROM room_memberships WHERE room_nid = ? AND membership = 'join'`, 1),
    ).toContain('COVERING INDEX room_memberships_by_room');
    expect(
      plan(
        `SELECT position FROM room_events WHERE txn_id IS NOT NULL AND origin_server_ts < ?
          ORDER BY origin_server_ts LIMIT ?`,
        1,
        1,
      ),
    ).toMatch(/^SEARCH room_events USING (COVERING )?INDEX room_events_txn_age/);
    db.close();
  });
});
