/**
 * Writes a batch of events: the events, the state, the memberships with their counts, and what redactions strip.
 *
 * Runs inside one transaction of the caller. The room's history is a line, so an event simply replaces the newest state
 * event of its key.
 */
import type { RoomId } from '../../matrix/identifiers.ts';
import { PortError } from '../../ports/errors.ts';
import {
  type AppendBatch,
  type AppendResult,
  type Membership,
  type NewEvent,
  TRANSACTION_LIFETIME_MS,
} from '../../ports/room-store.ts';
import type { Database } from './database.ts';
import { nextStreamPosition } from './stream.ts';

export const ROOMS_PORT = 'rooms';

/** The row number of a room, or undefined. */
export function findRoomNid(db: Database, roomId: RoomId): number | undefined {
  return db.prepare('SELECT room_nid FROM rooms WHERE room_id = ?').get<{ room_nid: number }>(roomId)?.room_nid;
}

export function getRoomNid(db: Database, roomId: RoomId, operation: string): number {
  const roomNid = findRoomNid(db, roomId);
  if (roomNid === undefined) throw new PortError(ROOMS_PORT, operation, false, `there is no room ${roomId}`);
  return roomNid;
}

export function appendBatch(db: Database, batch: AppendBatch): AppendResult {
  const { roomId, events } = batch;
  if (events.length === 0) throw new PortError(ROOMS_PORT, 'append', false, 'a batch needs an event');
  for (const { alias } of batch.aliases) {
    if (db.prepare('SELECT 1 AS taken FROM room_aliases WHERE alias = ?').get(alias) !== undefined) {
      return { kind: 'alias-taken', alias };
    }
  }
  const roomNid = batch.create === null ? getRoomNid(db, roomId, 'append') : createRoom(db, roomId, batch.create);
  const last = nextStreamPosition(db, events.length);
  const newestTs = events.reduce((ts, event) => Math.max(ts, event.originServerTs), 0);
  forgetTransactions(db, newestTs - TRANSACTION_LIFETIME_MS, events.length);
  const counts = { join: 0, invite: 0 };
  let position = last - events.length;
  for (const event of events) {
    position += 1;
    insertEvent(db, roomNid, position, event);
    if (event.type === 'm.room.member' && event.stateKey !== null) {
      moveMembership(db, roomNid, position, event.stateKey, event.content['membership'] as Membership, counts);
    }
    if (event.redaction !== null) strip(db, roomNid, position, event.redaction);
  }
  for (const { alias, creator } of batch.aliases) {
    db.prepare('INSERT INTO room_aliases (alias, room_nid, creator) VALUES (?, ?, ?)').run(alias, roomNid, creator);
  }
  db.prepare(
    `UPDATE rooms SET last_position = ?, joined_count = joined_count + ?, invited_count = invited_count + ?
      WHERE room_nid = ?`,
  ).run(last, counts.join, counts.invite, roomNid);
  return { kind: 'appended', last };
}

/** Twice as many as can be added: what is remembered shrinks as fast as it grew, and no request pays for a long pause. */
function forgetTransactions(db: Database, beforeTs: number, added: number): void {
  db.prepare(
    `UPDATE room_events SET txn_device = NULL, txn_id = NULL WHERE position IN (
        SELECT position FROM room_events WHERE txn_id IS NOT NULL AND origin_server_ts < ?
          ORDER BY origin_server_ts LIMIT ?)`,
  ).run(beforeTs, 2 * added);
}

function createRoom(db: Database, roomId: RoomId, create: NonNullable<AppendBatch['create']>): number {
  return db
    .prepare('INSERT INTO rooms (room_id, version, is_public) VALUES (?, ?, ?)')
    .run(roomId, create.version, create.isPublic ? 1 : 0).lastInsertRowid;
}

function insertEvent(db: Database, roomNid: number, position: number, event: NewEvent): void {
  const { type, stateKey } = event;
  const replaces =
    stateKey === null
      ? undefined
      : db
          .prepare('SELECT position FROM room_state WHERE room_nid = ? AND type = ? AND state_key = ?')
          .get<{ position: number }>(roomNid, type, stateKey)?.position;
  db.prepare(
    `INSERT INTO room_events (position, event_id, room_nid, type, state_key, sender, content, origin_server_ts,
        redacts, replaces, txn_device, txn_id)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  ).run(
    position,
    event.eventId,
    roomNid,
    type,
    stateKey,
    event.sender,
    JSON.stringify(event.content),
    event.originServerTs,
    event.redaction?.eventId ?? null,
    replaces ?? null,
    event.transaction?.deviceId ?? null,
    event.transaction?.txnId ?? null,
  );
  if (stateKey === null) return;
  db.prepare(
    `INSERT INTO room_state (room_nid, type, state_key, position) VALUES (?, ?, ?, ?)
      ON CONFLICT (room_nid, type, state_key) DO UPDATE SET position = excluded.position`,
  ).run(roomNid, type, stateKey, position);
}

function moveMembership(
  db: Database,
  roomNid: number,
  position: number,
  userId: string,
  membership: Membership,
  counts: { join: number; invite: number },
): void {
  const before = db
    .prepare('SELECT membership FROM room_memberships WHERE user_id = ? AND room_nid = ?')
    .get<{ membership: Membership }>(userId, roomNid)?.membership;
  if (before === 'join' || before === 'invite') counts[before] -= 1;
  if (membership === 'join' || membership === 'invite') counts[membership] += 1;
  db.prepare(
    `INSERT INTO room_memberships (user_id, room_nid, membership, position) VALUES (?, ?, ?, ?)
      ON CONFLICT (user_id, room_nid) DO UPDATE SET membership = excluded.membership, position = excluded.position,
        forgotten = CASE WHEN excluded.membership IN ('leave', 'ban') THEN forgotten ELSE 0 END`,
  ).run(userId, roomNid, membership, position);
}

function strip(
  db: Database,
  roomNid: number,
  position: number,
  { eventId, content }: NonNullable<NewEvent['redaction']>,
): void {
  db.prepare(
    `UPDATE room_events SET content = ?, redacted_by = coalesce(redacted_by, ?)
      WHERE event_id = ? AND room_nid = ?`,
  ).run(JSON.stringify(content), position, eventId, roomNid);
}
