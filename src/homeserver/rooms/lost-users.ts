/**
 * Who may have gone out of a user's sight with a room since their last sync: whoever left it while the user was there, and, if the user left,
 * everybody who was there.
 *
 * Only those with whom the user was in the room at some time since then: of anybody else they were never told for this room, and are not to
 * learn that there was something to tell. It is all read from the stored room, so it is the same after a restart, and only where
 * somebody has left.
 */
import type { RoomId, UserId } from '../../matrix/identifiers.ts';
import type { JsonObject, RoomStore, StoredEvent } from '../../ports/room-store.ts';
import type { HistoryEntry } from './history-visibility.ts';

export interface LossQuestion {
  readonly roomId: RoomId;
  readonly userId: UserId;
  /** (since, upTo]: what the sync covers. */
  readonly since: number;
  readonly upTo: number;
  /** Whether the user has been joined all the time, as far as the current membership tells. */
  readonly stayed: boolean;
  /** The changes of the room's state in that time, if they have been read. */
  readonly changes: readonly StoredEvent[] | null;
}

/** Somebody's time in the room. */
interface Stay {
  readonly from: number;
  /** Infinity while it lasts. */
  readonly to: number;
}

type LossStore = Pick<RoomStore, 'readState' | 'stateChanges' | 'stateHistory'>;

/** May name somebody twice, and whoever is back, or in sight for another reason. */
export async function lostUsers(store: LossStore, question: LossQuestion): Promise<readonly UserId[]> {
  const { roomId, userId, since, upTo } = question;
  const staysOf = async (member: UserId): Promise<readonly Stay[]> =>
    stays(await store.stateHistory(roomId, ['m.room.member', member]), since, upTo);
  const own = question.stayed ? [{ from: since, to: Infinity }] : await staysOf(userId);
  const last = own.at(-1);
  if (last === undefined) return [];
  const end = Math.min(last.to, upTo);
  const wasAlwaysThere = own.length === 1 && last.from === since;
  const lost: UserId[] = [];
  for (const { type, content, position, replaces, stateKey } of question.changes ??
    (await store.stateChanges(roomId, since, end))) {
    if (type !== 'm.room.member' || stateKey === userId || isJoin(content) || position <= since) continue;
    const member = stateKey as UserId;
    // Somebody can go twice (removed, then banned): what it replaces proves something only if it is a join.
    const isProven = wasAlwaysThere && replaces !== null && isJoin(replaces.content);
    if (isProven || overlap(own, await staysOf(member))) lost.push(member);
  }
  if (last.to === Infinity) return lost;
  const members = await store.readState(roomId, { kind: 'type', type: 'm.room.member' }, end);
  for (const { content, stateKey } of members) if (isJoin(content)) lost.push(stateKey as UserId);
  return lost;
}

/** The parts of somebody's stays that are in (since, upTo], in order. */
function stays(history: readonly HistoryEntry[], since: number, upTo: number): readonly Stay[] {
  const found: Stay[] = [];
  let from: number | null = null;
  for (const { content, position } of history) {
    if (position > upTo) break;
    if (isJoin(content)) from ??= position;
    else if (from !== null) {
      if (position > since) found.push({ from: Math.max(from, since), to: position });
      from = null;
    }
  }
  if (from !== null) found.push({ from: Math.max(from, since), to: Infinity });
  return found;
}

function overlap(some: readonly Stay[], others: readonly Stay[]): boolean {
  return some.some((one) => others.some((other) => Math.max(one.from, other.from) < Math.min(one.to, other.to)));
}

function isJoin(content: JsonObject): boolean {
  return content['membership'] === 'join';
}
