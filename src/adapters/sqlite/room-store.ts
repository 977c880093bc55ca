/**
 * The room store on SQLite.
 *
 * Calls are synchronous underneath and resolve at once, so a batch is durable when its promise resolves. Nothing is cached:
 * SQLite's pages are. Loading all memberships makes one JSON text a room, which is several times cheaper than a row object
 * per member. One class for one port, nearly every method one statement: longer than most files, and no harder to read.
 */
import { setImmediate } from 'node:timers/promises';
import type { EventId, RoomAlias, RoomId, UserId } from '../../matrix/identifiers.ts';
import type {
  AppendBatch,
  AppendResult,
  EventRange,
  JsonObject,
  Membership,
  NewReceipt,
  RoomStore,
  StateKey,
  StateSelection,
  StoredEvent,
  StoredMembership,
  StoredReceipt,
  StoredRoom,
  TransactionKey,
} from '../../ports/room-store.ts';
import type { Database } from './database.ts';
import { appendBatch, findRoomNid, getRoomNid } from './room-store-append.ts';
import { type EventRow, parseContent, SELECT_EVENTS, selectState, toStoredEvent } from './room-store-rows.ts';
import { currentStreamPosition, nextStreamPosition } from './stream.ts';

/** Rooms read at a time while loading; between two batches others get their turn. */
const ROOMS_PER_LOAD = 100;

const ROOM_COLUMNS = `room_id, version, is_public, joined_count, invited_count, last_position,
  (SELECT e.event_id FROM room_events e WHERE e.room_nid = rooms.room_nid ORDER BY e.position DESC LIMIT 1)
    AS last_event_id`;

interface RoomRow {
  readonly room_id: RoomId;
  readonly version: string;
  readonly is_public: number;
  readonly joined_count: number;
  readonly invited_count: number;
  readonly last_position: number;
  readonly last_event_id: EventId;
}

interface MembershipRow {
  readonly room_id: RoomId;
  readonly user_id: UserId;
  readonly membership: Membership;
  readonly position: number;
  readonly forgotten: number;
  readonly last_position: number;
}

export class SqliteRoomStore implements RoomStore {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async currentPosition(): Promise<number> {
    return currentStreamPosition(this.#db);
  }

  async appendEvents(batch: AppendBatch): Promise<AppendResult> {
    return this.#db.transaction(() => appendBatch(this.#db, batch));
  }

  async *loadJoined(): AsyncGenerator<{ readonly roomId: RoomId; readonly members: readonly UserId[] }> {
    const statement = this.#db.prepare(
      `SELECT r.room_nid, r.room_id,
          (SELECT json_group_array(m.user_id) FROM room_memberships m
            WHERE m.room_nid = r.room_nid AND m.membership = 'join') AS members
        FROM rooms r WHERE r.room_nid > ? AND r.joined_count > 0 ORDER BY r.room_nid LIMIT ?`,
    );
    let after = 0;
    for (;;) {
      const rows = statement.all<{ room_nid: number; room_id: RoomId; members: string }>(after, ROOMS_PER_LOAD);
      for (const row of rows) yield { roomId: row.room_id, members: JSON.parse(row.members) as UserId[] };
      const last = rows.at(-1);
      if (last === undefined || rows.length < ROOMS_PER_LOAD) return;
      after = last.room_nid;
      await setImmediate();
    }
  }

  async findRoom(roomId: RoomId): Promise<StoredRoom | null> {
    const row = this.#db.prepare(`SELECT ${ROOM_COLUMNS} FROM rooms WHERE room_id = ?`).get<RoomRow>(roomId);
    return row === undefined ? null : toStoredRoom(row);
  }

  async findEvent(roomId: RoomId, eventId: EventId): Promise<StoredEvent | null> {
    const row = this.#db
      .prepare(
        `${SELECT_EVENTS} WHERE e.event_id = ? AND e.room_nid = (SELECT room_nid FROM rooms WHERE room_id = ?) LIMIT 1`,
      )
      .get<EventRow>(eventId, roomId);
    return row === undefined ? null : toStoredEvent(roomId, row);
  }

  async findTransaction(key: TransactionKey): Promise<EventId | null> {
    const row = this.#db
      .prepare(
        `SELECT event_id FROM room_events
          WHERE room_nid = (SELECT room_nid FROM rooms WHERE room_id = ?) AND sender = ? AND txn_device = ?
            AND txn_id = ? AND type = ? AND coalesce(redacts, '') = ? AND txn_id IS NOT NULL LIMIT 1`,
      )
      .get<{ event_id: EventId }>(key.roomId, key.sender, key.deviceId, key.txnId, key.type, key.redacts ?? '');
    return row?.event_id ?? null;
  }

  async listEvents(roomId: RoomId, range: EventRange): Promise<readonly StoredEvent[]> {
    const roomNid = findRoomNid(this.#db, roomId);
    if (roomNid === undefined) return [];
    const order = range.direction === 'forward' ? 'ASC' : 'DESC';
    return this.#db
      .prepare(
        `${SELECT_EVENTS} WHERE e.room_nid = ? AND e.position > ? AND e.position <= ?
          ORDER BY e.position ${order} LIMIT ?`,
      )
      .all<EventRow>(roomNid, range.after, range.upTo, range.limit)
      .map((row) => toStoredEvent(roomId, row));
  }

  async readState(roomId: RoomId, selection: StateSelection, at: number | null): Promise<readonly StoredEvent[]> {
    const roomNid = findRoomNid(this.#db, roomId);
    if (roomNid === undefined) return [];
    return selectState(this.#db, roomNid, selection, at).map((row) => toStoredEvent(roomId, row));
  }

  async stateChanges(roomId: RoomId, after: number, upTo: number): Promise<readonly StoredEvent[]> {
    const roomNid = findRoomNid(this.#db, roomId);
    if (roomNid === undefined) return [];
    return this.#db
      .prepare(
        `${SELECT_EVENTS} WHERE e.position IN (
            SELECT max(c.position) FROM room_events c INDEXED BY room_events_by_room
              WHERE c.room_nid = ? AND c.position > ? AND c.position <= ? AND c.state_key IS NOT NULL
              GROUP BY c.type, c.state_key)
          ORDER BY e.position`,
      )
      .all<EventRow>(roomNid, after, upTo)
      .map((row) => toStoredEvent(roomId, row));
  }

  async stateHistory(
    roomId: RoomId,
    [type, stateKey]: StateKey,
  ): Promise<readonly { readonly position: number; readonly content: JsonObject }[]> {
    return this.#db
      .prepare(
        `SELECT position, content FROM room_events
          WHERE room_nid = (SELECT room_nid FROM rooms WHERE room_id = ?) AND type = ? AND state_key = ?
          ORDER BY position`,
      )
      .all<{ position: number; content: string }>(roomId, type, stateKey)
      .map((row) => ({ position: row.position, content: parseContent(row.content) }));
  }

  async findMembership(roomId: RoomId, userId: UserId): Promise<StoredMembership | null> {
    const row = this.#db
      .prepare(
        `SELECT r.room_id, m.user_id, m.membership, m.position, m.forgotten FROM room_memberships m
          JOIN rooms r USING (room_nid) WHERE m.user_id = ? AND r.room_id = ? LIMIT 1`,
      )
      .get<MembershipRow>(userId, roomId);
    return row === undefined ? null : toStoredMembership(row);
  }

  async membershipsOf(
    userId: UserId,
    changedAfter: number | null,
  ): Promise<readonly (StoredMembership & { readonly lastPosition: number })[]> {
    return this.#db
      .prepare(
        `SELECT r.room_id, m.user_id, m.membership, m.position, m.forgotten, r.last_position FROM room_memberships m
          JOIN rooms r USING (room_nid) WHERE m.user_id = ? AND r.last_position > ?`,
      )
      .all<MembershipRow>(userId, changedAfter ?? -1)
      .map((row) => ({ ...toStoredMembership(row), lastPosition: row.last_position }));
  }

  async listMembers(
    roomId: RoomId,
    memberships: readonly Membership[],
    limit: number,
  ): Promise<readonly StoredMembership[]> {
    // One question for each membership: the index has the rows in order, so that a limit reads no more than it gives.
    const statement = this.#db.prepare(
      `SELECT r.room_id, m.user_id, m.membership, m.position, m.forgotten
        FROM rooms r CROSS JOIN room_memberships m USING (room_nid)
        WHERE r.room_id = ? AND m.membership = ? ORDER BY m.position LIMIT ?`,
    );
    const rows = memberships.flatMap((membership) => statement.all<MembershipRow>(roomId, membership, limit));
    return rows
      .toSorted((a, b) => a.position - b.position)
      .slice(0, limit)
      .map(toStoredMembership);
  }

  async forget(roomId: RoomId, userId: UserId): Promise<void> {
    this.#db
      .prepare(
        `UPDATE room_memberships SET forgotten = 1 WHERE user_id = ? AND membership IN ('leave', 'ban')
          AND room_nid = (SELECT room_nid FROM rooms WHERE room_id = ?)`,
      )
      .run(userId, roomId);
  }

  async findAlias(alias: RoomAlias): Promise<{ readonly roomId: RoomId; readonly creator: UserId } | null> {
    const row = this.#db
      .prepare(
        'SELECT r.room_id, a.creator FROM room_aliases a JOIN rooms r USING (room_nid) WHERE a.alias = ? LIMIT 1',
      )
      .get<{ room_id: RoomId; creator: UserId }>(alias);
    return row === undefined ? null : { roomId: row.room_id, creator: row.creator };
  }

  async addAlias(alias: RoomAlias, roomId: RoomId, creator: UserId): Promise<boolean> {
    const roomNid = getRoomNid(this.#db, roomId, 'addAlias');
    const { changes } = this.#db
      .prepare('INSERT INTO room_aliases (alias, room_nid, creator) VALUES (?, ?, ?) ON CONFLICT (alias) DO NOTHING')
      .run(alias, roomNid, creator);
    return changes > 0;
  }

  async removeAlias(alias: RoomAlias): Promise<boolean> {
    return this.#db.prepare('DELETE FROM room_aliases WHERE alias = ?').run(alias).changes > 0;
  }

  async listAliases(roomId: RoomId): Promise<readonly RoomAlias[]> {
    return this.#db
      .prepare(
        `SELECT alias FROM room_aliases WHERE room_nid = (SELECT room_nid FROM rooms WHERE room_id = ?) ORDER BY alias`,
      )
      .all<{ alias: RoomAlias }>(roomId)
      .map((row) => row.alias);
  }

  async setPublic(roomId: RoomId, isPublic: boolean): Promise<void> {
    this.#db.prepare('UPDATE rooms SET is_public = ? WHERE room_id = ?').run(isPublic ? 1 : 0, roomId);
  }

  async listPublicRooms(offset: number, limit: number): Promise<readonly StoredRoom[]> {
    return this.#db
      .prepare(
        `SELECT ${ROOM_COLUMNS} FROM rooms WHERE is_public = 1 ORDER BY joined_count DESC, room_nid LIMIT ? OFFSET ?`,
      )
      .all<RoomRow>(limit, offset)
      .map(toStoredRoom);
  }

  async countPublicRooms(): Promise<number> {
    return (
      this.#db.prepare('SELECT count(*) AS count FROM rooms WHERE is_public = 1').get<{ count: number }>()?.count ?? 0
    );
  }

  async writeReceipt(receipt: NewReceipt): Promise<number | null> {
    return this.#db.transaction(() => {
      const roomNid = findRoomNid(this.#db, receipt.roomId);
      if (roomNid === undefined) return null;
      const event = this.#db
        .prepare('SELECT position FROM room_events WHERE event_id = ? AND room_nid = ? LIMIT 1')
        .get<{ position: number }>(receipt.eventId, roomNid);
      if (event === undefined) return null;
      const key = [roomNid, receipt.userId, receipt.receiptType, receipt.threadId ?? ''] as const;
      const known = this.#db
        .prepare(
          `SELECT event_position FROM room_receipts
            WHERE room_nid = ? AND user_id = ? AND receipt_type = ? AND thread_id = ? LIMIT 1`,
        )
        .get<{ event_position: number }>(...key);
      if (known !== undefined && known.event_position >= event.position) return null;
      const position = nextStreamPosition(this.#db);
      this.#db
        .prepare(
          `INSERT INTO room_receipts
              (room_nid, user_id, receipt_type, thread_id, event_id, event_position, ts, position)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (room_nid, user_id, receipt_type, thread_id) DO UPDATE SET event_id = excluded.event_id,
              event_position = excluded.event_position, ts = excluded.ts, position = excluded.position`,
        )
        .run(...key, receipt.eventId, event.position, receipt.ts, position);
      this.#db.prepare('UPDATE rooms SET last_position = ? WHERE room_nid = ?').run(position, roomNid);
      return position;
    });
  }

  async receiptsSince(roomId: RoomId, after: number, upTo: number): Promise<readonly StoredReceipt[]> {
    return this.#db
      .prepare(
        `SELECT user_id, receipt_type, thread_id, event_id, ts, position FROM room_receipts
          WHERE room_nid = (SELECT room_nid FROM rooms WHERE room_id = ?) AND position > ? AND position <= ?
          ORDER BY position`,
      )
      .all<{
        user_id: UserId;
        receipt_type: NewReceipt['receiptType'];
        thread_id: string;
        event_id: EventId;
        ts: number;
        position: number;
      }>(roomId, after, upTo)
      .map((row) => ({
        roomId,
        userId: row.user_id,
        receiptType: row.receipt_type,
        threadId: row.thread_id === '' ? null : row.thread_id,
        eventId: row.event_id,
        ts: row.ts,
        position: row.position,
      }));
  }
}

function toStoredRoom(row: RoomRow): StoredRoom {
  return {
    roomId: row.room_id,
    version: row.version,
    isPublic: row.is_public === 1,
    joinedCount: row.joined_count,
    invitedCount: row.invited_count,
    lastPosition: row.last_position,
    lastEventId: row.last_event_id,
  };
}

function toStoredMembership(row: MembershipRow): StoredMembership {
  return {
    roomId: row.room_id,
    userId: row.user_id,
    membership: row.membership,
    position: row.position,
    forgotten: row.forgotten === 1,
  };
}
