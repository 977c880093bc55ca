/**
 * What joins tell other servers: who came into which room since this was last asked, and whose presence which server gets for it.
 *
 * Source: reference behaviour §3.4. A server whose first user joins a room gets the local users who were there before; a local user who
 * joins is sent to every server there. Looked at once a turn and room, however many joined, so a crowd costs what one costs.
 * Routers are not asked (row 98): they are about updates.
 */
import type { ServerName } from '../matrix/identifiers.ts';
import type { Restrictions } from './restrictions.ts';
import type { Rooms } from './rooms.ts';
import type { Turn } from './turn.ts';
import type { UserPresenceState } from './user-presence-state.ts';
import type { UserTable } from './user-table.ts';

/** Somebody offline who was active since is still news to a server that has just come. */
const RECENT_MS = 7 * 24 * 60 * 60_000;
const NOTHING: ReadonlyMap<ServerName, readonly UserPresenceState[]> = new Map();

export class Joins {
  readonly #users: UserTable;
  readonly #rooms: Rooms;
  readonly #turn: Turn;
  readonly #restrictions: Restrictions;
  /** Room → uids who joined it and are still there. */
  #joined = new Map<number, Set<number>>();

  constructor(users: UserTable, rooms: Rooms, turn: Turn, restrictions: Restrictions) {
    this.#restrictions = restrictions;
    this.#users = users;
    this.#rooms = rooms;
    this.#turn = turn;
  }

  /** A genuine join: the user was not in the room. */
  add(room: number, uid: number): void {
    const joined = this.#joined.get(room);
    if (joined === undefined) this.#joined.set(room, new Set([uid]));
    else joined.add(uid);
  }

  /** Whether the user has joined since the last `take`. */
  has(room: number, uid: number): boolean {
    return this.#joined.get(room)?.has(uid) ?? false;
  }

  remove(room: number, uid: number): void {
    const joined = this.#joined.get(room);
    if (joined?.delete(uid) === true && joined.size === 0) this.#joined.delete(room);
  }

  /** Server → states, each user once a server; forgets the joins. Users whose update is being made durable come with that. */
  take(): ReadonlyMap<ServerName, readonly UserPresenceState[]> {
    if (this.#joined.size === 0) return NOTHING;
    const joins = this.#joined;
    this.#joined = new Map();
    const pushes = new Map<number, Map<number, UserPresenceState>>();
    for (const [room, joined] of joins) {
      const servers = this.#rooms.remoteServers(room);
      if (servers !== undefined) this.#pushRoom(room, joined, servers, pushes);
    }
    const named = new Map<ServerName, readonly UserPresenceState[]>();
    for (const [server, states] of pushes) named.set(this.#users.servers.name(server), [...states.values()]);
    return named;
  }

  #pushRoom(
    room: number,
    joined: ReadonlySet<number>,
    servers: ReadonlyMap<number, number>,
    pushes: Map<number, Map<number, UserPresenceState>>,
  ): void {
    const users = this.#users;
    const push = (uid: number, to: Iterable<number>): void => {
      const state = this.#turn.shownRecord(uid);
      for (const server of to) {
        const states = pushes.get(server);
        if (states === undefined) pushes.set(server, new Map([[uid, state]]));
        else states.set(uid, state);
      }
    };
    const arrived = new Map<number, number>();
    for (const uid of joined) {
      const server = users.server[uid] as number;
      if (!users.isLocal(uid)) arrived.set(server, (arrived.get(server) ?? 0) + 1);
      else if (this.#isWorthPushing(uid, -Infinity)) push(uid, servers.keys());
    }
    const fresh = [...arrived].filter(([server, count]) => servers.get(server) === count).map(([server]) => server);
    if (fresh.length === 0) return;
    for (const uid of this.#rooms.members.values(room)) {
      if (users.isLocal(uid) && !joined.has(uid) && this.#isWorthPushing(uid, this.#turn.latestTs - RECENT_MS))
        push(uid, fresh);
    }
  }

  /** Not: whose outstanding update goes to everybody anyway, and who is offline, without a status, and has not been active since `sinceTs`. */
  #isWorthPushing(uid: number, sinceTs: number): boolean {
    const users = this.#users;
    // That may be no more than what is kept from the server, which then has nothing at all.
    if (this.#turn.isOutstanding(uid) && !this.#restrictions.isOn) return false;
    if (!this.#turn.isShownOffline(uid) || users.statusMsg(uid) !== null) return true;
    const lastActiveTs = users.lastActiveTs[uid] as number;
    return lastActiveTs > 0 && lastActiveTs >= sinceTs;
  }
}
