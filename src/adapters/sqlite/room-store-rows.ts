/**
 * Rows of room events: which columns are read, which rows make up a part of a room's state, and how a row becomes an event.
 *
 * "The state at a position" is the greatest position per key in the index over state events; the current state has a
 * table of its own, because nearly every question is about it. Lists go in as one JSON parameter, so that each statement
 * has one text and is prepared once.
 */
import type { EventId, RoomId, UserId } from '../../matrix/identifiers.ts';
import type { JsonObject, StateSelection, StoredEvent } from '../../ports/room-store.ts';
import type { Database, SqlValue } from './database.ts';

/** Everything about an event in one row: `p` is what it replaced, `x` the redaction that stripped it. */
export const SELECT_EVENTS = `
  SELECT e.position, e.event_id, e.type, e.state_key, e.sender, e.content, e.origin_server_ts, e.redacts,
    e.txn_device, e.txn_id,
    p.event_id AS p_event_id, p.sender AS p_sender, p.content AS p_content,
    x.event_id AS x_event_id, x.sender AS x_sender, x.content AS x_content, x.origin_server_ts AS x_ts,
    x.redacts AS x_redacts
  FROM room_events e
  LEFT JOIN room_events p ON p.position = e.replaces
  LEFT JOIN room_events x ON x.position = e.redacted_by`;

export interface EventRow {
  readonly position: number;
  readonly event_id: EventId;
  readonly type: string;
  readonly state_key: string | null;
  readonly sender: UserId;
  readonly content: string;
  readonly origin_server_ts: number;
  readonly redacts: EventId | null;
  readonly txn_device: string | null;
  readonly txn_id: string | null;
  readonly p_event_id: EventId | null;
  readonly p_sender: UserId;
  readonly p_content: string;
  readonly x_event_id: EventId | null;
  readonly x_sender: UserId;
  readonly x_content: string;
  readonly x_ts: number;
  readonly x_redacts: EventId | null;
}

export function toStoredEvent(roomId: RoomId, row: EventRow): StoredEvent {
  const { txn_device: deviceId, txn_id: txnId } = row;
  return {
    position: row.position,
    eventId: row.event_id,
    roomId,
    type: row.type,
    stateKey: row.state_key,
    sender: row.sender,
    content: parseContent(row.content),
    originServerTs: row.origin_server_ts,
    redacts: row.redacts,
    replaces:
      row.p_event_id === null
        ? null
        : { eventId: row.p_event_id, sender: row.p_sender, content: parseContent(row.p_content) },
    redactedBecause:
      row.x_event_id === null
        ? null
        : {
            eventId: row.x_event_id,
            sender: row.x_sender,
            content: parseContent(row.x_content),
            originServerTs: row.x_ts,
            redacts: row.x_redacts,
          },
    transaction: deviceId === null || txnId === null ? null : { deviceId, txnId },
  };
}

export function parseContent(text: string): JsonObject {
  return JSON.parse(text) as JsonObject;
}

/** The state events of the selection, current (`at` null) or as of `at`, in the order of the events. */
export function selectState(
  db: Database,
  roomNid: number,
  selection: StateSelection,
  at: number | null,
): readonly EventRow[] {
  const { sql, params } = at === null ? currentPositions(roomNid, selection) : positionsAt(roomNid, selection, at);
  return db.prepare(`${SELECT_EVENTS} WHERE e.position IN (${sql}) ORDER BY e.position`).all<EventRow>(...params);
}

interface PositionQuery {
  readonly sql: string;
  readonly params: readonly SqlValue[];
}

const CURRENT = 'SELECT position FROM room_state WHERE room_nid = ?';
const USERS = '(SELECT value FROM json_each(?))';

function currentPositions(roomNid: number, selection: StateSelection): PositionQuery {
  switch (selection.kind) {
    case 'all':
      return { sql: CURRENT, params: [roomNid] };
    case 'type':
      return { sql: `${CURRENT} AND type = ?`, params: [roomNid, selection.type] };
    case 'keys':
      return {
        sql: `SELECT s.position FROM json_each(?) k CROSS JOIN room_state s
          ON s.room_nid = ? AND s.type = json_extract(k.value, '$[0]') AND s.state_key = json_extract(k.value, '$[1]')`,
        params: [JSON.stringify(selection.keys), roomNid],
      };
    case 'membersOf':
      return {
        sql: `${CURRENT} AND type < 'm.room.member' UNION ALL ${CURRENT} AND type > 'm.room.member'
          UNION ALL ${CURRENT} AND type = 'm.room.member' AND state_key IN ${USERS}`,
        params: [roomNid, roomNid, roomNid, JSON.stringify(selection.users)],
      };
  }
}

function positionsAt(roomNid: number, selection: StateSelection, at: number): PositionQuery {
  const newest = (condition: string): string =>
    `SELECT max(position) FROM room_events
      WHERE room_nid = ? AND state_key IS NOT NULL ${condition} AND position <= ? GROUP BY type, state_key`;
  switch (selection.kind) {
    case 'all':
      return { sql: newest(''), params: [roomNid, at] };
    case 'type':
      return { sql: newest('AND type = ?'), params: [roomNid, selection.type, at] };
    case 'keys':
      return {
        sql: `SELECT (SELECT max(position) FROM room_events
            WHERE room_nid = ? AND type = json_extract(k.value, '$[0]') AND state_key = json_extract(k.value, '$[1]')
              AND position <= ?)
          FROM json_each(?) k`,
        params: [roomNid, at, JSON.stringify(selection.keys)],
      };
    case 'membersOf':
      return {
        sql: `${newest("AND type < 'm.room.member'")} UNION ALL ${newest("AND type > 'm.room.member'")}
          UNION ALL ${newest(`AND type = 'm.room.member' AND state_key IN ${USERS}`)}`,
        params: [roomNid, at, roomNid, at, roomNid, JSON.stringify(selection.users), at],
      };
  }
}
