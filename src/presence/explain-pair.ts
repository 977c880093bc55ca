/**
 * Reasons that need no module: presence mode, who the two are, and the rooms they share.
 */
import type { RoomId, UserId } from '../matrix/identifiers.ts';
import { type Case, MAX_ROOMS_NAMED } from './explain-case.ts';
import { type ExplainDirectory, list, reason, type Reason } from './explanation.ts';

/** Excluded rooms looked at; there are few in any configuration. */
const MAX_EXCLUDED = 1_000;

export function modeReason({ settings: { mode }, kind }: Case): Reason {
  const details = { mode };
  switch (mode) {
    case 'disabled': {
      const says =
        'Presence is disabled (presence.enabled: false): everybody is offline to everybody, and nobody is told anything';
      return reason('presence_mode', false, says, details);
    }
    case 'untracked': {
      const says =
        'Presence is untracked: states change only when a module sets them, and nothing goes to other servers';
      return reason('presence_mode', kind === 'local_user', says, details);
    }
    case 'tracked':
      return reason('presence_mode', true, 'Presence is tracked', details);
  }
}

/** Null if there is nothing to say of them. */
export async function observerReason({ directory, facts, kind, observer }: Case): Promise<Reason | null> {
  const details = { kind, isKnown: facts.isObserverKnown };
  if (kind === 'local_user') {
    if (await directory.hasAccount(observer as UserId)) return null;
    return reason('observer', false, `There is no account ${observer} on this server`, {
      ...details,
      hasAccount: false,
    });
  }
  if (facts.isObserverKnown) return null;
  const says =
    kind === 'server'
      ? `No user of ${observer} is known here`
      : `Nothing is known here of ${observer}; what counts is what their server gets`;
  return reason('observer', null, says, details);
}

export async function targetReason(it: Case): Promise<Reason> {
  const { directory, facts, isTargetLocal, state, target } = it;
  const details = { isLocal: isTargetLocal, isKnown: facts.isTargetKnown, position: facts.targetPosition };
  if (state === null) {
    const hasAccount = isTargetLocal && (await directory.hasAccount(target));
    const why = hasAccount
      ? `${target} has an account, but presence has not heard of them yet: nobody can see them`
      : isTargetLocal
        ? `There is no account ${target} on this server`
        : `Nothing is known here of ${target}`;
    return reason('target', false, why, { ...details, ...(isTargetLocal ? { hasAccount } : {}) });
  }
  const pending = facts.isChangePending ? '; a change is being saved and shows in a moment' : '';
  const says = `${target} is ${state.state === 'offline' && facts.targetPosition === 0 ? 'offline, and was never heard of' : state.state}`;
  return reason('target', true, `${says}${pending}`, {
    ...details,
    state: state.state,
    isChangePending: facts.isChangePending,
  });
}

export async function sharedRooms(it: Case): Promise<Reason> {
  const { directory, facts, kind, observer, server, target } = it;
  const { shared, sharedWithServer } = facts;
  if (kind !== 'remote_user' || shared.count > 0) {
    const whom = kind === 'server' ? `users of ${observer}` : observer;
    return await roomsReason(directory, shared.rooms, shared.count, `${target} and ${whom}`);
  }
  if (sharedWithServer.count === 0) return await roomsReason(directory, [], 0, `${target} and users of ${server}`);
  const found = await roomsReason(
    directory,
    sharedWithServer.rooms,
    sharedWithServer.count,
    `${target} and other users of ${server}`,
  );
  return { ...found, says: `${found.says}; ${observer} is in none of them` };
}

async function roomsReason(
  directory: ExplainDirectory,
  rooms: readonly RoomId[],
  count: number,
  who: string,
): Promise<Reason> {
  if (count === 0) return reason('shared_rooms', false, `${who} share no room that counts`, { count, rooms: [] });
  const described = await Promise.all(rooms.map((roomId) => describe(directory, roomId)));
  const named = described.map(({ words }) => words);
  if (count > rooms.length) named.push(`${count - rooms.length} more`);
  const details = { count, rooms: described.map(({ details }) => details) };
  return reason('shared_rooms', true, `${who} are both in ${list(named)}`, details);
}

/** Rooms that both are in, and that the configuration leaves out; null if there are none. */
export async function excludedRooms(it: Case): Promise<Reason | null> {
  const { directory, kind, observer, server, settings, target } = it;
  const whom = kind === 'server' ? (server ?? observer) : observer;
  const shared: RoomId[] = [];
  for (const roomId of [...settings.excludedRooms].slice(0, MAX_EXCLUDED)) {
    if (shared.length > MAX_ROOMS_NAMED) break;
    if ((await directory.isJoined(roomId, target)) && (await directory.isJoined(roomId, whom))) shared.push(roomId);
  }
  if (shared.length === 0) return null;
  const described = await Promise.all(shared.slice(0, MAX_ROOMS_NAMED).map((roomId) => describe(directory, roomId)));
  const named = described.map(({ words }) => words);
  if (shared.length > MAX_ROOMS_NAMED) named.push('more');
  const who = kind === 'server' ? `${target} and users of ${whom}` : `${target} and ${whom}`;
  const says = `${who} are both in ${list(named)}, which exclude_rooms_from_presence leaves out`;
  return reason('excluded_rooms', false, says, { rooms: described.map(({ details }) => details) });
}

async function describe(directory: ExplainDirectory, roomId: RoomId) {
  const found = await directory.describeRoom(roomId);
  const { name = null, alias = null } = found ?? {};
  const ids = alias === null ? roomId : `${alias}, ${roomId}`;
  return { words: name === null ? ids : `"${name}" (${ids})`, details: { roomId, name, alias } };
}
