import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SilentLogger } from '../../src/adapters/memory/logger.ts';
import { openDatabase } from '../../src/adapters/sqlite/database.ts';
import { availableDrivers } from '../../src/adapters/sqlite/driver.ts';
import { SqliteRoomStore } from '../../src/adapters/sqlite/room-store.ts';
import { roomStoreSuite } from '../../src/ports/testing/room-store.suite.ts';

const tools = { describe, it, assert };
const logger = new SilentLogger();

for (const driver of availableDrivers()) {
  roomStoreSuite(`SqliteRoomStore in memory, ${driver}`, tools, async () => {
    const db = openDatabase({ path: ':memory:', logger, driver });
    return { store: new SqliteRoomStore(db), reopenAfterKill: null, close: async () => db.close() };
  });

  roomStoreSuite(`SqliteRoomStore in a file, ${driver}`, tools, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'thalamus-rooms-'));
    const path = join(folder, 'thalamus.db');
    const open = [openDatabase({ path, logger, driver })];
    return {
      store: new SqliteRoomStore(open[0]!),
      reopenAfterKill: async () => {
        // A killed process leaves what is on disk at that moment; nobody closes anything.
        const left = join(folder, `left-${open.length}`);
        mkdirSync(left);
        for (const suffix of ['', '-wal']) {
          if (existsSync(path + suffix)) copyFileSync(path + suffix, join(left, `thalamus.db${suffix}`));
        }
        const db = openDatabase({ path: join(left, 'thalamus.db'), logger, driver });
        open.push(db);
        return new SqliteRoomStore(db);
      },
      close: async () => {
        for (const db of open) db.close();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  });
}

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
