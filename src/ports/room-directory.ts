/**
 * Who is joined to which room: the only thing presence needs to know about rooms.
 */
import type { RoomId, UserId } from '../matrix/identifiers.ts';

export interface RoomDirectory {
  /** Every current join, room by room, each room at most once, members without duplicates. */
  loadJoined(): AsyncIterable<{ readonly roomId: RoomId; readonly members: readonly UserId[] }>;
  /**
   * Tells of every later join and leave, in order, after it is durable. Registered before `loadJoined` is consumed;
   * repeating a fact already told is allowed.
   */
  onMembershipChange(listener: (change: MembershipChange) => void): Disposable;
}

export interface MembershipChange {
  readonly roomId: RoomId;
  readonly userId: UserId;
  /** `join`: is now joined. `leave`: is not joined any more, for whatever reason. */
  readonly membership: 'join' | 'leave';
}
