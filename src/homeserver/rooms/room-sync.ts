/**
 * What `/sync` asks about rooms: the interface between the sync and the rooms.
 *
 * All positions are of the one homeserver stream. A question covers (`since`, `upTo`]: nothing newer than `upTo` is in
 * the answer, however late it is computed, so that everything in one response is of the same moment. The lists of
 * events are ready to be sent. Source: Matrix specification, client-server API, "Syncing".
 */
import type { DeviceId, RoomId, UserId } from '../../matrix/identifiers.ts';
import type { SyncFilter } from '../sync/filter.ts';
import type { EphemeralEvent, StrippedStateEvent, SyncEvent } from './client-event.ts';

export interface RoomSyncRequest {
  readonly userId: UserId;
  readonly deviceId: DeviceId;
  /** Null: an initial sync. */
  readonly since: number | null;
  readonly upTo: number;
  /** Every joined room with its whole state; the timelines still start at `since`. */
  readonly fullState: boolean;
  /** Typing serial the client has seen; null: an initial sync. */
  readonly typingSince: number | null;
  /** `includeLeave` is about initial syncs; rooms left since `since` are always listed. */
  readonly filter: SyncFilter['room'];
}

export interface RoomSyncChanges {
  /** Rooms the user is joined to at `upTo` and that have something to tell; all of them when initial or `fullState`. */
  readonly joined: readonly JoinedRoomSync[];
  readonly invited: readonly InvitedRoomSync[];
  readonly knocked: readonly InvitedRoomSync[];
  readonly left: readonly LeftRoomSync[];
  /** Rooms of `joined` that the user was not joined to at `since`, or left in between. Empty in an initial sync. */
  readonly newlyJoinedRooms: readonly RoomId[];
  /**
   * Whose current presence an incremental sync adds: everybody joined to a newly joined room, and every user whose
   * join, invite or knock is in a timeline or state of `joined`. No duplicates, not the user. Empty in an initial sync.
   */
  readonly newlyVisibleUsers: ReadonlySet<UserId>;
  /**
   * Who may have gone out of the user's sight since: they were in a room with the user, and one of the two has left it. Of rooms that the
   * filter leaves out, too, and that are left out of presence, not. Not the user. Empty in an initial sync.
   */
  readonly lostUsers: ReadonlySet<UserId>;
}

export interface TimelineSync {
  readonly events: readonly SyncEvent[];
  /** Events between `since` and the first of `events` were left out. */
  readonly limited: boolean;
  /** For `from` of `/messages`, backwards. */
  readonly prevBatch: string;
}

export interface RoomSummary {
  /** At most five; absent where the room has a name or a canonical alias. */
  readonly 'm.heroes'?: readonly UserId[];
  readonly 'm.joined_member_count': number;
  readonly 'm.invited_member_count': number;
}

export interface JoinedRoomSync {
  readonly roomId: RoomId;
  /** Initial, newly joined, or when somebody's membership changed. */
  readonly summary: RoomSummary | null;
  /** State before the first event of the timeline: whole when initial, newly joined or full, else the changes since. */
  readonly state: readonly SyncEvent[];
  readonly timeline: TimelineSync;
  readonly ephemeral: readonly EphemeralEvent[];
}

export interface InvitedRoomSync {
  readonly roomId: RoomId;
  /** `invite_state.events` or `knock_state.events`, the user's own member event included. */
  readonly state: readonly StrippedStateEvent[];
}

/** Left, kicked or banned, or an invite turned down: then the leave event is all there is. */
export interface LeftRoomSync {
  readonly roomId: RoomId;
  readonly state: readonly SyncEvent[];
  readonly timeline: TimelineSync;
}

export interface RoomSync {
  /** Newest position of the homeserver stream: everything up to it can be read. Take it before `changes`. */
  position(): Promise<number>;
  /** Serial of the newest change of typing in any room, for the token. Grows over restarts, too. */
  typingSerial(): number;
  changes(request: RoomSyncRequest): Promise<RoomSyncChanges>;
  /** Rooms the user is joined to now. */
  joinedRooms(userId: UserId): Promise<readonly RoomId[]>;
}
