/**
 * What other servers are told of our users: those with members in a user's rooms, and those that routers name.
 *
 * Collects one delivery at a time. Whatever goes to a server goes through `tell`, which keeps back what modules restrict.
 */
import type { ServerName } from '../matrix/identifiers.ts';
import { Stamps } from './columns.ts';
import type { PresenceUpdate } from './engine-api.ts';
import { Form, isHidden, reduced, UNKNOWN } from './forms.ts';
import type { Restrictions } from './restrictions.ts';
import type { Rooms } from './rooms.ts';
import type { UserPresenceState } from './user-presence-state.ts';
import type { UserTable } from './user-table.ts';

export interface ServerDeliveryParts {
  readonly users: UserTable;
  readonly rooms: Rooms;
  readonly restrictions: Restrictions;
}

type ServerStates = ReadonlyMap<ServerName, readonly UserPresenceState[]>;

const NO_SERVERS: ReadonlySet<ServerName> = new Set();

export class ServerDelivery {
  readonly #parts: ServerDeliveryParts;
  /** Whether anything goes to other servers: not in untracked mode. */
  readonly #federates: boolean;
  #told = new Map<ServerName, UserPresenceState[]>();
  readonly #visited = new Stamps();
  /** Source → servers that routers named for its last update beside those in its rooms. */
  readonly #routed = new Map<number, ReadonlySet<ServerName>>();
  /** Source → position of that update. */
  readonly #routedAt = new Map<number, number>();

  constructor(parts: ServerDeliveryParts, federates: boolean) {
    this.#parts = parts;
    this.#federates = federates;
  }

  begin(): void {
    this.#told = new Map();
  }

  /** What was told since `begin`. */
  get told(): ServerStates {
    return this.#told;
  }

  /** Default routing of an update. */
  tellRooms({ uid, state, hiddenBy = Form.FULL }: PresenceUpdate): void {
    this.#eachServer(uid, (server) => this.tell(this.#parts.users.servers.name(server), uid, state, hiddenBy));
  }

  /**
   * Servers that routers name for an update; those in the source's rooms were told by default routing, and `told` have been told by routing.
   */
  tellRouted(
    { uid, state, hiddenBy = Form.FULL }: PresenceUpdate,
    servers: ReadonlySet<ServerName>,
    told: ReadonlySet<ServerName> = NO_SERVERS,
  ): void {
    if (servers.size === 0 || !this.#mayFederate(uid)) return;
    const { users } = this.#parts;
    this.#eachServer(uid, () => undefined);
    for (const name of servers) {
      if (told.has(name)) continue;
      const server = users.servers.find(name);
      if (server < 0 || !this.#visited.has(server)) this.tell(name, uid, state, hiddenBy);
    }
  }

  /** Remembers whom routers name from now on, and returns who was named until now and does not share a room: they see the source no more. */
  keepRouted(uid: number, servers: ReadonlySet<ServerName>, position: number): ServerName[] {
    const before = this.#routed.get(uid);
    if (!this.#mayFederate(uid)) return [];
    if (servers.size > 0) {
      this.#routed.set(uid, servers);
      this.#routedAt.set(uid, position);
    } else if (before !== undefined) this.forget(uid);
    if (before === undefined || before === servers) return [];
    return [...before].filter((name) => !servers.has(name) && !this.sharesRoom(uid, name));
  }

  /** Servers that routers have named for this very update. */
  toldOf({ uid, position }: PresenceUpdate): ReadonlySet<ServerName> {
    return this.#routedAt.get(uid) === position ? this.routedOf(uid) : NO_SERVERS;
  }

  /** Whether routers, and nothing else, send the user to the server, and have still to say who gets the newest update. */
  isUndecided(name: ServerName, uid: number): boolean {
    if (!this.routedOf(uid).has(name) || this.sharesRoom(uid, name)) return false;
    return (this.#routedAt.get(uid) ?? 0) < (this.#parts.users.position[uid] as number);
  }

  /** Servers that routers named for the source's last update. */
  routedOf(uid: number): ReadonlySet<ServerName> {
    return this.#routed.get(uid) ?? NO_SERVERS;
  }

  forget(uid: number): void {
    this.#routed.delete(uid);
    this.#routedAt.delete(uid);
  }

  /** Tells one server, in the form it may have it; what nobody has said anything about is withheld. */
  tell(name: ServerName, uid: number, state: UserPresenceState, hiddenBy: Form = Form.FULL): void {
    const { restrictions } = this.#parts;
    if (!restrictions.isOn) return this.#add(name, state);
    const form = restrictions.formOfServer(uid, name);
    if (form === UNKNOWN) return restrictions.withheld.add(uid, name);
    if (isHidden(form) || (hiddenBy !== 0 && (hiddenBy & ~form) === 0)) return;
    this.#add(name, reduced(state, form));
  }

  /** Tells a server that may not see the user any more, or sees them as offline from now on. */
  tellOffline(name: ServerName, state: UserPresenceState): void {
    this.#add(name, reduced(state, Form.OFFLINE));
  }

  /** The same for states that were put together elsewhere. */
  restricted(servers: ServerStates): ServerStates {
    const { restrictions, users } = this.#parts;
    if (!restrictions.isOn || servers.size === 0) return servers;
    this.begin();
    for (const [name, states] of servers) for (const state of states) this.tell(name, users.find(state.userId), state);
    return this.#told;
  }

  /** Remote servers with members in the user's rooms. */
  serversOf(uid: number): ServerName[] {
    const names: ServerName[] = [];
    this.#eachServer(uid, (server) => names.push(this.#parts.users.servers.name(server)));
    return names;
  }

  /** Whether the user is ours to speak for and shares a room with users of the server. */
  sharesRoom(uid: number, name: ServerName): boolean {
    const { rooms, users } = this.#parts;
    const server = users.servers.find(name);
    return server >= 0 && this.#mayFederate(uid) && rooms.shareWithServer(uid, server);
  }

  /** Whether the server is told of the user, as far as rooms and routers are concerned. */
  isToldOf(name: ServerName, uid: number): boolean {
    return this.#mayFederate(uid) && (this.sharesRoom(uid, name) || this.routedOf(uid).has(name));
  }

  #add(name: ServerName, state: UserPresenceState): void {
    const states = this.#told.get(name);
    if (states === undefined) this.#told.set(name, [state]);
    else states.push(state);
  }

  /** Visits each remote server that shares a room with the user, if the user is ours to speak for. */
  #eachServer(uid: number, visit: (server: number) => void): void {
    const { rooms, users } = this.#parts;
    this.#visited.begin(users.servers.bound);
    if (!rooms.hasRemoteMembers || !this.#mayFederate(uid)) return;
    for (const room of rooms.ofUser.values(uid)) {
      for (const server of rooms.remoteServers(room)?.keys() ?? []) {
        if (this.#visited.mark(server)) visit(server);
      }
    }
  }

  #mayFederate(uid: number): boolean {
    return this.#federates && this.#parts.users.isLocal(uid);
  }
}
