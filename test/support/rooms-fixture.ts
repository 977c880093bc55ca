/** Rooms on a real SQLite database with time that stands still, for tests of the rooms without HTTP. */
import { ManualClock, SilentLogger } from '../../src/adapters/memory/index.ts';
import { type Database, openDatabase } from '../../src/adapters/sqlite/database.ts';
import { SqliteRoomStore } from '../../src/adapters/sqlite/room-store.ts';
import type { MemberProfile } from '../../src/homeserver/rooms/profiles.ts';
import type { RoomSyncChanges } from '../../src/homeserver/rooms/room-sync.ts';
import { createRooms, type Rooms } from '../../src/homeserver/rooms/rooms.ts';
import { parseFilter } from '../../src/homeserver/sync/filter.ts';
import type { DeviceId, EventId, RoomId, UserId } from '../../src/matrix/identifiers.ts';
import type { MembershipChange } from '../../src/ports/room-directory.ts';
import type { JsonObject } from '../../src/ports/room-store.ts';

export const ALICE: UserId = '@alice:test';
export const BOB: UserId = '@bob:test';
export const CAROL: UserId = '@carol:test';

export interface RoomsFixture extends Disposable {
  readonly rooms: Rooms;
  readonly store: SqliteRoomStore;
  readonly clock: ManualClock;
  readonly profiles: Map<UserId, MemberProfile>;
  /** What the notifier was told. */
  readonly notified: { readonly users: readonly UserId[]; readonly position: number }[];
  readonly typingTold: { readonly users: readonly UserId[]; readonly serial: number }[];
  readonly membershipChanges: MembershipChange[];
  readonly accountData: unknown[][];
  /** Says something; a new transaction unless `txnId` is given. */
  say(
    userId: UserId,
    roomId: RoomId,
    body: string,
    options?: { txnId?: string; deviceId?: DeviceId },
  ): Promise<EventId>;
  setState(userId: UserId, roomId: RoomId, type: string, content: JsonObject, stateKey?: string): Promise<EventId>;
  redact(userId: UserId, roomId: RoomId, eventId: EventId, reason?: string): Promise<EventId>;
  /** Everything new since the token, up to now; `filter` is a filter's `room` part. */
  sync(
    userId: UserId,
    since?: SyncToken | null,
    options?: SyncOptions,
  ): Promise<{ changes: RoomSyncChanges; next: SyncToken }>;
  /** The same database in new objects, as after a restart. */
  reopen(): RoomsFixture;
}

export interface SyncToken {
  readonly position: number;
  readonly typing: number;
}

export interface SyncOptions {
  readonly filter?: JsonObject;
  readonly fullState?: boolean;
  readonly deviceId?: DeviceId;
  readonly upTo?: number;
}

export function createRoomsFixture(
  path = ':memory:',
  kept: { db: Database; clock: ManualClock } | null = null,
  uncounted: ReadonlySet<RoomId> = new Set(),
): RoomsFixture {
  const clock = kept?.clock ?? new ManualClock();
  const db = kept?.db ?? openDatabase({ path, logger: new SilentLogger() });
  const store = new SqliteRoomStore(db);
  const profiles = new Map<UserId, MemberProfile>();
  const notified: { users: readonly UserId[]; position: number }[] = [];
  const typingTold: { users: readonly UserId[]; serial: number }[] = [];
  const accountData: unknown[][] = [];
  const membershipChanges: MembershipChange[] = [];
  const rooms = createRooms({
    store,
    clock,
    serverName: 'test',
    notifier: {
      notify: (users, position) => void notified.push({ users: [...users].toSorted(), position }),
      notifyTyping: (users, serial) => void typingTold.push({ users: [...users].toSorted(), serial }),
    },
    profiles: { profileOf: async (userId) => profiles.get(userId) ?? { displayname: null, avatarUrl: null } },
    accountData: { setRoomAccountData: async (...call) => void accountData.push(call) },
    countsForPresence: (roomId) => !uncounted.has(roomId),
    onError: (error) => {
      throw error;
    },
  });
  rooms.roomDirectory.onMembershipChange((change) => membershipChanges.push(change));
  let txns = 0;
  return {
    rooms,
    store,
    clock,
    profiles,
    notified,
    typingTold,
    membershipChanges,
    accountData,
    say: (userId, roomId, body, { txnId = `t${(txns += 1)}`, deviceId = 'D' } = {}) => {
      const content = { msgtype: 'm.text', body };
      return rooms.events.send(userId, roomId, { type: 'm.room.message', content, transaction: { deviceId, txnId } });
    },
    setState: (userId, roomId, type, content, stateKey = '') =>
      rooms.events.sendState(userId, roomId, { type, stateKey, content }),
    redact: (userId, roomId, eventId, reason) =>
      rooms.events.redact(userId, roomId, eventId, {
        reason,
        transaction: { deviceId: 'D', txnId: `t${(txns += 1)}` },
      }),
    sync: async (userId, since = null, options = {}) => {
      const typing = rooms.sync.typingSerial();
      const position = options.upTo ?? (await rooms.sync.position());
      const changes = await rooms.sync.changes({
        userId,
        deviceId: options.deviceId ?? 'D',
        since: since?.position ?? null,
        typingSince: since?.typing ?? null,
        upTo: position,
        fullState: options.fullState ?? false,
        filter: parseFilter({ room: options.filter ?? {} }).room,
      });
      return { changes, next: { position, typing } };
    },
    reopen: () => {
      rooms.close();
      return createRoomsFixture(path, { db, clock }, uncounted);
    },
    [Symbol.dispose]: () => {
      rooms.close();
      db.close();
    },
  };
}

/** The errcode and status a promise fails with, or what it gives. */
export async function outcome(promise: Promise<unknown>): Promise<unknown> {
  try {
    return await promise;
  } catch (error) {
    const { httpStatus, errcode } = error as { httpStatus?: number; errcode?: string };
    if (errcode === undefined) throw error;
    return `${httpStatus} ${errcode}`;
  }
}
