/**
 * Gathers what one sync tells of rooms and account data: the part that asks the database.
 */
import type { DeviceId, RoomId, UserId } from '../../matrix/identifiers.ts';
import type { RoomSync } from '../rooms/room-sync.ts';
import type { AccountDataEvent, AccountSync } from './account-data-sync.ts';
import { acceptsEvent, type EventFilter, type SyncFilter } from './filter.ts';
import type { RoomPart } from './sync-response.ts';

export interface RoomPartRequest {
  readonly userId: UserId;
  readonly deviceId: DeviceId;
  /** Null: an initial sync. */
  readonly since: { readonly position: number; readonly typing: number } | null;
  readonly upTo: number;
  readonly fullState: boolean;
  readonly filter: SyncFilter;
}

export async function gatherRoomPart(
  rooms: RoomSync,
  accounts: AccountSync,
  request: RoomPartRequest,
): Promise<RoomPart> {
  const { userId, deviceId, since, upTo, fullState, filter } = request;
  const changes = await rooms.changes({
    userId,
    deviceId,
    since: since?.position ?? null,
    upTo,
    fullState,
    typingSince: since?.typing ?? null,
    filter: filter.room,
  });
  const sincePosition = since === null ? null : since.position;
  const accountData = await accounts.accountDataChanges(userId, sincePosition, upTo);
  const roomAccountData = new Map(accountData.rooms);
  if (sincePosition !== null && changes.newlyJoinedRooms.length > 0) {
    // A client that comes (back) to a room has none of its account data.
    const everything = await accounts.accountDataChanges(userId, null, upTo);
    for (const roomId of changes.newlyJoinedRooms) {
      const events = everything.rooms.get(roomId);
      if (events !== undefined) roomAccountData.set(roomId, events);
    }
  }
  return {
    changes,
    globalAccountData: pick(filter.accountData, accountData.global, userId),
    roomAccountData: await pickRooms(rooms, request, roomAccountData),
  };
}

/** Only of rooms the user is in, or was when this sync's changes began. */
async function pickRooms(
  rooms: RoomSync,
  { userId, filter }: RoomPartRequest,
  data: ReadonlyMap<RoomId, readonly AccountDataEvent[]>,
): Promise<ReadonlyMap<RoomId, readonly AccountDataEvent[]>> {
  if (data.size === 0) return data;
  const joined = new Set(await rooms.joinedRooms(userId));
  const picked = new Map<RoomId, readonly AccountDataEvent[]>();
  for (const [roomId, events] of data) {
    if (!joined.has(roomId)) continue;
    const { acceptsRoom, accountData } = filter.room;
    if ((acceptsRoom !== null && !acceptsRoom(roomId)) || accountData.acceptsRoom?.(roomId) === false) continue;
    const wanted = pick(accountData, events, userId);
    if (wanted.length > 0) picked.set(roomId, wanted);
  }
  return picked;
}

/** Account data has no sender; senders in its filter are compared with the user whose data it is. */
function pick(filter: EventFilter, events: readonly AccountDataEvent[], userId: UserId): readonly AccountDataEvent[] {
  if (filter.isEmpty) return [];
  return events.filter(({ type, content }) => acceptsEvent(filter, { type, sender: userId, content }));
}
