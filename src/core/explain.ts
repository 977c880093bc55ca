/**
 * What the engine knows about one pair of observer and target, for whoever asks why the one does (not) see the other.
 *
 * Only reads: nobody gets a number, nothing is counted, drained or moved. What follows from the facts is said by the functions that every
 * path uses (`visibility.ts`); this adds what they looked at.
 */
import { type RoomId, type ServerName, serverNameOf, type UserId } from '../matrix/identifiers.ts';
import type { Observer } from './engine-api.ts';
import type { EngineParts } from './engine-parts.ts';
import { Form, UNKNOWN } from './forms.ts';
import type { InterestAnswer } from './interest.ts';
import type { UserPresenceState } from './user-presence-state.ts';
import { OWN_SERVER } from './user-table.ts';

export interface SharedRooms {
  /** The first ones. */
  readonly rooms: readonly RoomId[];
  readonly count: number;
}

export interface ConnectionFacts {
  /** Whether a sync is open now; if not, the observer counts as connected for a while after the last one. */
  readonly isSyncing: boolean;
  /** Entries that wait in the inbox, superseded ones included. */
  readonly pending: number;
  /** Tokens below this position are answered by looking at everybody visible. */
  readonly floor: number;
  /** Tokens below this position get a snapshot; 0 for none. */
  readonly snapshotAt: number;
  /** What their `getInterestedUsers` answers are in effect; null before the first one. */
  readonly interest: InterestAnswer | null;
}

export interface PairFacts {
  readonly isObserverKnown: boolean;
  readonly isTargetKnown: boolean;
  /** Rooms that are not excluded: of the two users, or of the target and any user of the server. */
  readonly shared: SharedRooms;
  /** Of an observer who is a user of another server: rooms that the target shares with any user of that server. */
  readonly sharedWithServer: SharedRooms;
  /** Null unless the observer is connected. */
  readonly connection: ConnectionFacts | null;
  /** What `getUsersForStates` said about the target's last routed update; null if it named nobody here. */
  readonly kept: { readonly isNamed: boolean; readonly targets: number; readonly position: number } | null;
  /** Position of the target's newest published update; 0 for none. */
  readonly targetPosition: number;
  /** Newest published position of all. */
  readonly position: number;
  /** Position of a full-presence mark of the observer that is not used up; 0 for none. */
  readonly mark: number;
  /** Whether a rule that is in effect shows the target to the observer, restrictions left out; of a server, only by rooms. */
  readonly isShown: boolean;
  /** What modules have said is kept from the observer, and is in effect; `UNKNOWN` if nobody has said. */
  readonly form: Form | typeof UNKNOWN;
  /** Whether updates wait until somebody says. */
  readonly isWithheld: boolean;
  /** Whether the target's record has changes that nobody may see before they are durable. */
  readonly isChangePending: boolean;
}

const NO_ROOMS: SharedRooms = { rooms: [], count: 0 };

/** @param maxRooms - rooms to name; more are counted */
export function factsOf(parts: EngineParts, observer: Observer, target: UserId, maxRooms: number): PairFacts {
  const { kept, marks, positions, restrictions, turn, users } = parts;
  const user = isUser(observer) ? observer : null;
  const server = user === null ? observer : serverNameOf(user);
  const observerUid = user === null ? -1 : users.find(user);
  const targetUid = users.find(target);
  const key = observerUid >= 0 && users.isLocal(observerUid) ? observerUid : server;
  const isRemote = server !== users.servers.name(OWN_SERVER);
  const keptTargets = targetUid < 0 ? [] : kept.targets(targetUid);
  return {
    isObserverKnown: user === null ? users.servers.find(server) >= 0 : observerUid >= 0,
    isTargetKnown: targetUid >= 0,
    shared:
      user === null
        ? roomsWithServer(parts, targetUid, server, maxRooms)
        : roomsOf(parts, observerUid, targetUid, maxRooms),
    sharedWithServer: isRemote ? roomsWithServer(parts, targetUid, server, maxRooms) : NO_ROOMS,
    connection: connectionOf(parts, observerUid),
    kept:
      keptTargets.length === 0
        ? null
        : {
            isNamed: kept.names(targetUid, observerUid),
            targets: keptTargets.length,
            position: kept.position(targetUid),
          },
    targetPosition: targetUid < 0 ? 0 : (users.position[targetUid] as number),
    position: positions.published,
    mark: marks.get(observerUid) ?? 0,
    isShown: isShown(parts, observer, observerUid, targetUid),
    form: targetUid < 0 ? unheard(parts) : restrictions.formOfKey(targetUid, key),
    isWithheld: targetUid >= 0 && restrictions.withheld.has(targetUid, key),
    isChangePending: targetUid >= 0 && !isSame(turn.shownRecord(targetUid), users.record(targetUid)),
  };
}

function isShown(parts: EngineParts, observer: Observer, observerUid: number, target: number): boolean {
  if (!isUser(observer)) return roomsWithServer(parts, target, observer, 1).count > 0;
  return observerUid >= 0 && target >= 0 && parts.visibility.wouldSee(observerUid, target);
}

/** Of somebody the engine does not know nobody has said anything. */
function unheard({ restrictions }: EngineParts): Form | typeof UNKNOWN {
  return restrictions.isOn ? UNKNOWN : Form.FULL;
}

function isUser(observer: Observer): observer is UserId {
  return observer.startsWith('@');
}

function roomsOf({ rooms }: EngineParts, observer: number, target: number, max: number): SharedRooms {
  if (observer < 0 || target < 0) return NO_ROOMS;
  const others = new Set(rooms.ofUser.values(target));
  return named(rooms, (room) => others.has(room), observer, max);
}

function roomsWithServer({ rooms, users }: EngineParts, target: number, server: ServerName, max: number): SharedRooms {
  const number = users.servers.find(server);
  if (target < 0 || number < 0) return NO_ROOMS;
  return named(rooms, (room) => rooms.remoteServers(room)?.has(number) === true, target, max);
}

/** Those of the user's rooms that `isShared`. */
function named(
  rooms: EngineParts['rooms'],
  isShared: (room: number) => boolean,
  uid: number,
  max: number,
): SharedRooms {
  const shared = rooms.ofUser.values(uid).filter(isShared);
  return { rooms: shared.slice(0, max).map((room) => rooms.name(room)), count: shared.length };
}

function connectionOf({ inboxes, interest, observers }: EngineParts, uid: number): ConnectionFacts | null {
  const slot = observers.slotOf(uid);
  if (slot < 0) return null;
  return {
    isSyncing: observers.isSyncing(slot),
    pending: inboxes.pendingOf(slot),
    floor: inboxes.floor[slot] as number,
    snapshotAt: inboxes.snapshotAt[slot] as number,
    interest: interest.answerOf(slot),
  };
}

function isSame(one: UserPresenceState, other: UserPresenceState): boolean {
  const { state, statusMsg, currentlyActive } = other;
  return one.state === state && one.statusMsg === statusMsg && one.currentlyActive === currentlyActive;
}
