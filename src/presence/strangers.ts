/**
 * Strangers: users of other servers whom nobody here can see, by the newest state their server told. Source: product §4.12.
 *
 * They cost an entry here and nothing else: no number in the engine, no timer, no row. Entries end 30 minutes after the last update;
 * of those whom somebody here has once been told of, a last "offline" is left for a day. Full, a server's oldest entry makes room for
 * its next, and of all servers the one with the most entries gives one up: nobody can push out the users of somebody smaller.
 */
import type { UserPresenceState } from '../core/user-presence-state.ts';
import { type ServerName, serverNameOf, type UserId } from '../matrix/identifiers.ts';

export interface StrangersOptions {
  readonly maxPerServer: number;
  readonly max: number;
  /** Characters of status messages of one server's strangers; beyond it, they are left out. */
  readonly maxStatusCharsPerServer: number;
  /** A silent user is offline, in ms. */
  readonly timeoutMs: number;
}

export interface Stranger {
  readonly state: UserPresenceState;
  /** Whether somebody here was told of them, and may still believe it. */
  readonly wasTold: boolean;
}

/** What one server's strangers are. */
interface Origin {
  /** In the order of their last updates. */
  readonly users: Map<UserId, Stranger>;
  /** Those whom the routers have not been asked about in their present state; in the order of asking. */
  readonly waiting: Set<UserId>;
  statusChars: number;
}

const TOLD_FOR_MS = 24 * 60 * 60_000;

export class Strangers {
  readonly #options: StrangersOptions;
  readonly #origins = new Map<ServerName, Origin>();
  /** Servers with so many strangers; for each number that occurs. */
  readonly #bySize = new Map<number, Set<ServerName>>();
  #largest = 0;
  #size = 0;
  #evicted = 0;
  /** Servers with users who wait for the routers, the next one first. */
  readonly #waitingOrigins = new Set<ServerName>();

  constructor(options: StrangersOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#size;
  }

  get hasWaiting(): boolean {
    return this.#waitingOrigins.size > 0;
  }

  /** Entries given up for others since the last call. */
  takeEvicted(): number {
    const evicted = this.#evicted;
    this.#evicted = 0;
    return evicted;
  }

  /** The newest known state; null for somebody unknown. */
  stateOf(userId: UserId, now: number): UserPresenceState | null {
    const stranger = this.#originOf(userId)?.users.get(userId);
    return stranger === undefined ? null : this.#present(stranger.state, now);
  }

  /** Puts in or replaces one. `isNews`: the routers are to be asked. Returns whether the status message had to be left out. */
  put(state: UserPresenceState, { isNews, wasTold = false }: { isNews: boolean; wasTold?: boolean }): boolean {
    const server = serverNameOf(state.userId);
    const before = this.#originOf(state.userId)?.users.get(state.userId);
    if (this.#options.maxPerServer <= 0 || this.#options.max <= 0) return false;
    const isWaiting = isNews || (this.#originOf(state.userId)?.waiting.has(state.userId) ?? false);
    this.#remove(server, state.userId, isWaiting);
    const origin = this.#origins.get(server) ?? { users: new Map(), waiting: new Set(), statusChars: 0 };
    if (origin.users.size >= this.#options.maxPerServer) this.#evictFrom(server, origin);
    else if (this.#size >= this.#options.max) this.#evictFromLargest(server);
    const isTooLong = origin.statusChars + (state.statusMsg?.length ?? 0) > this.#options.maxStatusCharsPerServer;
    const kept = isTooLong ? Object.freeze({ ...state, statusMsg: null }) : state;
    this.#origins.set(server, origin);
    origin.users.set(state.userId, { state: kept, wasTold: wasTold || (before?.wasTold ?? false) });
    origin.statusChars += kept.statusMsg?.length ?? 0;
    this.#resize(server, origin.users.size - 1, origin.users.size);
    if (isWaiting) {
      origin.waiting.add(state.userId);
      this.#waitingOrigins.add(server);
    }
    return isTooLong;
  }

  /** Takes one out. */
  take(userId: UserId, now: number): Stranger | null {
    const stranger = this.#originOf(userId)?.users.get(userId);
    if (stranger === undefined) return null;
    this.#remove(serverNameOf(userId), userId);
    return { ...stranger, state: this.#present(stranger.state, now) };
  }

  delete(userId: UserId): void {
    if (this.#size > 0) this.#remove(serverNameOf(userId), userId);
  }

  /** Everybody, so that `take` can be called meanwhile. */
  userIds(): UserId[] {
    return [...this.#origins.values()].flatMap(({ users }) => [...users.keys()]);
  }

  /**
   * States to ask the routers about: server by server in turn, at most `max`, of each at most `allowance(server)`. They stay here, but do
   * not wait any more.
   */
  takeWaiting(max: number, allowance: (server: ServerName) => number): UserPresenceState[] {
    const states: UserPresenceState[] = [];
    // Whoever has more to wait for is put back at the end, so this goes through those of the beginning.
    for (const server of Array.from(this.#waitingOrigins)) {
      const origin = this.#origins.get(server);
      const until = Math.min(max, states.length + allowance(server));
      this.#waitingOrigins.delete(server);
      if (origin === undefined) continue;
      for (const userId of origin.waiting) {
        if (states.length >= until) break;
        origin.waiting.delete(userId);
        const stranger = origin.users.get(userId);
        if (stranger !== undefined) states.push(stranger.state);
      }
      if (origin.waiting.size > 0) this.#waitingOrigins.add(server);
      if (states.length >= max) break;
    }
    return states;
  }

  /** The routers are to be asked about everybody who is not offline. */
  askAgain(): void {
    for (const [server, { users, waiting }] of this.#origins) {
      for (const [userId, { state }] of users) if (state.state !== 'offline') waiting.add(userId);
      if (waiting.size > 0) this.#waitingOrigins.add(server);
    }
  }

  /** Forgets those whose time is over. */
  expire(now: number): void {
    for (const [server, { users }] of this.#origins) {
      for (const [userId, { state, wasTold }] of users) {
        const endsTs = state.lastFederationUpdateTs + (wasTold ? TOLD_FOR_MS : this.#options.timeoutMs);
        if (endsTs <= now) this.#remove(server, userId);
      }
    }
  }

  /** What is left of a state when its server has been silent for too long. */
  #present(state: UserPresenceState, now: number): UserPresenceState {
    if (state.state === 'offline' || now < state.lastFederationUpdateTs + this.#options.timeoutMs) return state;
    return Object.freeze({ ...state, state: 'offline', currentlyActive: false });
  }

  #originOf(userId: UserId): Origin | undefined {
    return this.#size === 0 ? undefined : this.#origins.get(serverNameOf(userId));
  }

  #evictFrom(server: ServerName, origin: Origin): void {
    for (const oldest of origin.users.keys()) {
      this.#evicted++;
      this.#remove(server, oldest);
      return;
    }
  }

  /** Of servers with as many, the one that asks gives up one of its own. */
  #evictFromLargest(asking: ServerName): void {
    const largest = this.#bySize.get(this.#largest);
    if (largest === undefined) return;
    const [first = asking] = largest;
    const server = largest.has(asking) ? asking : first;
    const origin = this.#origins.get(server);
    if (origin !== undefined) this.#evictFrom(server, origin);
  }

  #remove(server: ServerName, userId: UserId, staysWaiting = false): void {
    const origin = this.#origins.get(server);
    const stranger = origin?.users.get(userId);
    if (origin === undefined || stranger === undefined) return;
    origin.users.delete(userId);
    if (!staysWaiting) origin.waiting.delete(userId);
    origin.statusChars -= stranger.state.statusMsg?.length ?? 0;
    this.#resize(server, origin.users.size + 1, origin.users.size);
    if (origin.users.size > 0) return;
    this.#origins.delete(server);
    this.#waitingOrigins.delete(server);
  }

  #resize(server: ServerName, from: number, to: number): void {
    this.#size += to - from;
    const before = this.#bySize.get(from);
    before?.delete(server);
    if (before?.size === 0) this.#bySize.delete(from);
    if (to > 0) {
      const after = this.#bySize.get(to);
      if (after === undefined) this.#bySize.set(to, new Set([server]));
      else after.add(server);
    }
    // Sizes change by one, so the largest does, too.
    if (to > this.#largest) this.#largest = to;
    else if (from === this.#largest && !this.#bySize.has(from)) this.#largest = from - 1;
  }
}
