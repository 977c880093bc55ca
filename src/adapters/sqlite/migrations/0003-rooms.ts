/**
 * Rooms: events, current state, memberships, aliases, receipts.
 *
 * A room's history is a line, so one index over the state events answers "the state at any position". Rooms have a number
 * because their ids would otherwise stand in every row and index. `redacts` on an event and `redacted_by` on its target
 * point at each other; `replaces` is the position of the state event before. Positions are of the homeserver stream.
 */
import type { Migration } from './migration.ts';

export const roomsMigration: Migration = {
  version: 3,
  name: 'rooms',
  sql: `
    CREATE TABLE rooms (
      room_nid INTEGER PRIMARY KEY,
      room_id TEXT NOT NULL UNIQUE,
      version TEXT NOT NULL,
      is_public INTEGER NOT NULL,
      joined_count INTEGER NOT NULL DEFAULT 0,
      invited_count INTEGER NOT NULL DEFAULT 0,
      last_position INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX rooms_public ON rooms (joined_count DESC, room_nid) WHERE is_public = 1;

    CREATE TABLE room_events (
      position INTEGER PRIMARY KEY,
      event_id TEXT NOT NULL UNIQUE,
      room_nid INTEGER NOT NULL REFERENCES rooms (room_nid),
      type TEXT NOT NULL,
      state_key TEXT,
      sender TEXT NOT NULL,
      content TEXT NOT NULL,
      origin_server_ts INTEGER NOT NULL,
      redacts TEXT,
      redacted_by INTEGER,
      replaces INTEGER,
      txn_device TEXT,
      txn_id TEXT
    ) STRICT;
    CREATE INDEX room_events_by_room ON room_events (room_nid, position);
    CREATE INDEX room_events_state ON room_events (room_nid, type, state_key, position) WHERE state_key IS NOT NULL;
    CREATE UNIQUE INDEX room_events_txn ON room_events (room_nid, sender, txn_device, txn_id, type, coalesce(redacts, ''))
      WHERE txn_id IS NOT NULL;

    CREATE TABLE room_state (
      room_nid INTEGER NOT NULL REFERENCES rooms (room_nid),
      type TEXT NOT NULL,
      state_key TEXT NOT NULL,
      position INTEGER NOT NULL,
      PRIMARY KEY (room_nid, type, state_key)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE room_memberships (
      user_id TEXT NOT NULL,
      room_nid INTEGER NOT NULL REFERENCES rooms (room_nid),
      membership TEXT NOT NULL,
      position INTEGER NOT NULL,
      forgotten INTEGER NOT NULL DEFAULT 0,
      PRIMARY KEY (user_id, room_nid)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX room_memberships_by_room ON room_memberships (room_nid, membership, position, user_id);

    CREATE TABLE room_aliases (
      alias TEXT PRIMARY KEY,
      room_nid INTEGER NOT NULL REFERENCES rooms (room_nid),
      creator TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX room_aliases_by_room ON room_aliases (room_nid, alias);

    CREATE TABLE room_receipts (
      room_nid INTEGER NOT NULL REFERENCES rooms (room_nid),
      user_id TEXT NOT NULL,
      receipt_type TEXT NOT NULL,
      thread_id TEXT NOT NULL,
      event_id TEXT NOT NULL,
      event_position INTEGER NOT NULL,
      ts INTEGER NOT NULL,
      position INTEGER NOT NULL,
      PRIMARY KEY (room_nid, user_id, receipt_type, thread_id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX room_receipts_by_position ON room_receipts (room_nid, position);
  `,
};
