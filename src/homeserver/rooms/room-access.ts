/**
 * What of a room one user may read: everything, everything up to their leaving, what is world-readable, or nothing.
 *
 * Rooms that do not exist and rooms one may not see give the same answer, so that ids cannot be tried out.
 * Source: Matrix specification, client-server API, "Room history visibility", "Getting events for a room".
 */
import { MatrixError } from '../../matrix/errors.ts';
import type { RoomId, UserId } from '../../matrix/identifiers.ts';
import type { RoomStore } from '../../ports/room-store.ts';
import { type HistoryEntry, type VisibleRange, visibleRanges } from './history-visibility.ts';

export type AccessStore = Pick<RoomStore, 'findMembership' | 'readState' | 'stateHistory'>;

/** Position of the state the user may read: null for the present one. */
export type StateAccess = number | null;

/**
 * Members read the present state, former members the state when they left, and everybody where it is world-readable.
 *
 * @throws MatrixError 403 M_FORBIDDEN
 */
export async function checkStateAccess(store: AccessStore, roomId: RoomId, userId: UserId): Promise<StateAccess> {
  const row = await store.findMembership(roomId, userId);
  if (row?.membership === 'join') return null;
  if (await isWorldReadable(store, roomId)) return null;
  if (row === null || row.forgotten || (row.membership !== 'leave' && row.membership !== 'ban'))
    throw notAllowed(roomId);
  const left = endOfStay(await store.stateHistory(roomId, ['m.room.member', userId]));
  if (left === null) throw notAllowed(roomId);
  return left;
}

/**
 * Where the last stay of somebody who is not in the room any more ended: a ban long after leaving opens nothing of the time
 * between. Null for somebody who never came in, whose invite was taken back, or who is in.
 */
export function endOfStay(own: readonly HistoryEntry[]): number | null {
  const lastJoin = own.findLastIndex((entry) => entry.content['membership'] === 'join');
  return lastJoin < 0 ? null : (own[lastJoin + 1]?.position ?? null);
}

/** @throws MatrixError 403 M_FORBIDDEN unless the user is joined */
export async function checkJoined(
  store: Pick<RoomStore, 'findMembership'>,
  roomId: RoomId,
  userId: UserId,
): Promise<void> {
  const row = await store.findMembership(roomId, userId);
  if (row?.membership !== 'join') throw notAllowed(roomId);
}

export interface ReadableHistory {
  readonly ranges: readonly VisibleRange[];
  /** Whether the user was ever in the room, or it was ever world-readable: an invite alone opens nothing. */
  readonly isOpen: boolean;
  /** See `endOfStay`. */
  readonly stayedUpTo: number | null;
}

/** What the user may read of the history up to `upTo`. */
export async function readableHistory(
  store: Pick<RoomStore, 'stateHistory'>,
  roomId: RoomId,
  userId: UserId,
  upTo: number,
): Promise<ReadableHistory> {
  const visibility = await store.stateHistory(roomId, ['m.room.history_visibility', '']);
  const own = await store.stateHistory(roomId, ['m.room.member', userId]);
  return {
    ranges: visibleRanges(visibility, own, upTo),
    isOpen:
      own.some((entry) => entry.content['membership'] === 'join') ||
      visibility.some((entry) => entry.content['history_visibility'] === 'world_readable'),
    stayedUpTo: endOfStay(own),
  };
}

async function isWorldReadable(store: AccessStore, roomId: RoomId): Promise<boolean> {
  const [event] = await store.readState(roomId, { kind: 'keys', keys: [['m.room.history_visibility', '']] }, null);
  return event?.content['history_visibility'] === 'world_readable';
}

export function notAllowed(roomId: RoomId): MatrixError {
  return new MatrixError(403, 'M_FORBIDDEN', `You are not in ${roomId}, or it does not exist`);
}
