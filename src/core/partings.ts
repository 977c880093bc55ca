/**
 * What leaving tells other servers: a server that shares no room any more with one of our users hears once that they are offline, so
 * that it does not show them as they were for ever.
 *
 * Looked at when the turn ends: who has come back meanwhile, or is told through another room or by a router, is not parted.
 */
import type { ServerName } from '../matrix/identifiers.ts';
import { Form, reduced, UNKNOWN } from './forms.ts';
import type { Restrictions } from './restrictions.ts';
import type { Rooms } from './rooms.ts';
import type { ServerDelivery } from './server-delivery.ts';
import type { Turn } from './turn.ts';
import type { UserPresenceState } from './user-presence-state.ts';
import type { UserTable } from './user-table.ts';

export interface PartingsParts {
  readonly users: UserTable;
  readonly rooms: Rooms;
  readonly restrictions: Restrictions;
  readonly servers: ServerDelivery;
  readonly turn: Turn;
}

export class Partings {
  readonly #parts: PartingsParts;
  /** Server → our users who may have parted from it. */
  #parted = new Map<ServerName, Set<number>>();

  constructor(parts: PartingsParts) {
    this.#parts = parts;
  }

  /** Somebody is about to leave a room. */
  add(room: number, uid: number): void {
    const { restrictions, rooms, turn, users } = this.#parts;
    const servers = rooms.remoteServers(room);
    if (servers === undefined) return;
    if (users.isLocal(uid)) {
      for (const server of servers.keys()) this.#note(users.servers.name(server), uid);
      return;
    }
    const server = users.server[uid] as number;
    if (servers.get(server) !== 1) return;
    for (const member of rooms.members.values(room)) {
      if (!users.isLocal(member)) continue;
      const name = users.servers.name(server);
      if (!turn.isShownOffline(member) || restrictions.withheld.has(member, name)) this.#note(name, member);
    }
  }

  /** Server → users, as offline; forgets the leaves. */
  take(): ReadonlyMap<ServerName, readonly UserPresenceState[]> {
    const told = new Map<ServerName, UserPresenceState[]>();
    if (this.#parted.size === 0) return told;
    const { restrictions, servers, turn } = this.#parts;
    for (const [name, users] of this.#parted) {
      const states: UserPresenceState[] = [];
      for (const uid of users) {
        if (servers.isToldOf(name, uid)) continue;
        // What was withheld is not for it any more.
        if (restrictions.formOfServer(uid, name) === UNKNOWN) restrictions.withheld.settle(uid, [name]);
        if (!turn.isShownOffline(uid) && restrictions.mayHaveSeen(uid, name))
          states.push(reduced(turn.shownRecord(uid), Form.OFFLINE));
      }
      if (states.length > 0) told.set(name, states);
    }
    this.#parted = new Map();
    return told;
  }

  #note(server: ServerName, uid: number): void {
    const users = this.#parted.get(server);
    if (users === undefined) this.#parted.set(server, new Set([uid]));
    else users.add(uid);
  }
}
