/**
 * The server in memory that a record of traffic is replayed in: nothing happens in it by itself but what modules do.
 */
import type { PresenceTimers } from '../core/engine-api.ts';
import type { RoomId, ServerName, UserId } from '../matrix/identifiers.ts';
import type { PresenceState } from '../matrix/presence-state.ts';
import type { ToldUpdate, TrafficTap } from '../ports/traffic-tap.ts';
import type { SyncSession } from '../presence/index.ts';
import { DEFAULT_LIMITS } from '../presence/index.ts';
import type { LoadedModule } from '../router-host/index.ts';
import { describeLineAndPlace } from './describe-line.ts';
import { createTestServer } from './test-server.ts';

const DAY_MS = 86_400_000;
/** Nobody idles or goes away by themself: what they did is in the record. */
const NEVER: PresenceTimers = {
  lastActiveGranularityMs: DAY_MS,
  syncOnlineTimeoutMs: 365 * DAY_MS,
  idleTimeoutMs: 365 * DAY_MS,
  busyOnlineTimeoutMs: 365 * DAY_MS,
  federationTimeoutMs: 365 * DAY_MS,
  federationPingIntervalMs: 365 * DAY_MS,
  observerLingerMs: 1,
  managedTtlMs: 365 * DAY_MS,
};
/** Time acts on the engine at least this often, in its own time. */
const TICK_MS = 5_000;
/** How long modules may take for something outside this process, in real time, before their time moves on. */
const PATIENCE_MS = 2_500;
/** So often it moves on before something is given up. */
const MOST_ROUNDS = 10;
const MOST_PROBLEMS = 100;

type TestServer = ReturnType<typeof createTestServer>;

export class ReplayServer {
  readonly #server: TestServer;
  readonly #told: ToldUpdate[];
  readonly #members = new Map<RoomId, Set<UserId>>();
  readonly #sessions = new Map<UserId, SyncSession | null>();
  /** Observers who have been told something: they sync again. */
  readonly #woken = new Set<UserId>();
  /** Modules are being asked whom these are interested in. */
  readonly #syncing = new Set<UserId>();
  #hasGone = false;
  /** Each once, with how often. */
  readonly problems = new Map<string, number>();

  private constructor(server: TestServer, told: ToldUpdate[]) {
    this.#server = server;
    this.#told = told;
    server.presence.onNotify((users) => {
      for (const userId of users) this.#woken.add(userId);
    });
  }

  static async start(
    serverName: ServerName,
    startTs: number,
    load: () => Promise<readonly LoadedModule[]>,
  ): Promise<ReplayServer> {
    const told: ToldUpdate[] = [];
    const tap: TrafficTap = {
      begin: () => undefined,
      joined: () => undefined,
      left: () => undefined,
      connected: () => undefined,
      disconnected: () => undefined,
      told: (update) => told.push(update),
    };
    // Nobody reads what waits for them.
    const limits = { ...DEFAULT_LIMITS, maxPendingPerObserver: 2 };
    const server = createTestServer(serverName, {}, { startTs, timers: NEVER, limits, tap });
    await server.presence.start();
    await server.host.construct(await load(), {
      serverName,
      publicBaseurl: `https://${serverName}/`,
      workerName: null,
      runsBackgroundTasks: true,
      presence: server.presence,
      accounts: null,
    });
    return new ReplayServer(server, told);
  }

  /** Who is where from now on. */
  async become(rooms: ReadonlyMap<RoomId, ReadonlySet<UserId>>, observers: ReadonlySet<UserId>): Promise<void> {
    for (const [roomId, members] of this.#members) {
      for (const userId of members) if (rooms.get(roomId)?.has(userId) !== true) this.leave(roomId, userId);
    }
    for (const [roomId, members] of rooms) for (const userId of members) this.join(roomId, userId);
    for (const userId of this.#sessions.keys()) if (!observers.has(userId)) this.disconnect(userId);
    for (const userId of observers) this.connect(userId);
    await this.#settle();
  }

  join(roomId: RoomId, userId: UserId): void {
    const members = this.#members.get(roomId) ?? new Set();
    this.#members.set(roomId, members);
    if (members.has(userId)) return;
    members.add(userId);
    this.#server.directory.join(roomId, userId);
  }

  leave(roomId: RoomId, userId: UserId): void {
    const members = this.#members.get(roomId);
    if (members?.delete(userId) !== true) return;
    if (members.size === 0) this.#members.delete(roomId);
    this.#server.directory.leave(roomId, userId);
  }

  connect(userId: UserId): void {
    if (!this.#sessions.has(userId)) this.#sync(userId);
  }

  disconnect(userId: UserId): void {
    this.#sessions.get(userId)?.end();
    this.#sessions.delete(userId);
    this.#hasGone = true;
  }

  async advanceTo(ts: number): Promise<void> {
    const { clock } = this.#server;
    await this.#settle();
    if (ts > clock.now()) await clock.advance(ts - clock.now());
  }

  /** Makes these states known, and resolves with whom they were told when all modules have answered. */
  async update(states: ReadonlyMap<UserId, PresenceState>): Promise<readonly ToldUpdate[]> {
    const { presence } = this.#server;
    await this.#settle();
    this.#told.length = 0;
    await presence.setPresenceForUsers(new Map([...states].map(([userId, state]) => [userId, { state }])));
    await this.#until(() => this.#told.length >= states.size);
    return this.#told.splice(0);
  }

  async stop(): Promise<void> {
    for (const session of this.#sessions.values()) session?.end();
    await this.#server.host.stop();
    await this.#server.presence.stop();
  }

  /** Those who were told something sync again, those who have gone are gone, and whoever has connected has been asked about. */
  async #settle(): Promise<void> {
    const { clock } = this.#server;
    if (this.#hasGone) {
      this.#hasGone = false;
      await clock.advance(TICK_MS);
    }
    const woken = [...this.#woken];
    this.#woken.clear();
    for (const userId of woken) {
      const session = this.#sessions.get(userId);
      if (session === undefined || session === null) continue;
      session.end();
      this.#sync(userId);
    }
    await this.#until(() => this.#syncing.size === 0);
    this.#takeProblems();
  }

  #sync(userId: UserId): void {
    const { presence } = this.#server;
    const options = { setPresence: 'offline', explicit: false, rateLimited: false } as const;
    const session = presence.beginSync(userId, 'REPLAY', options);
    if (!(session instanceof Promise)) {
      this.#sessions.set(userId, session);
      return;
    }
    this.#sessions.set(userId, null);
    this.#syncing.add(userId);
    session
      .then((begun) => {
        this.#syncing.delete(userId);
        if (this.#sessions.has(userId)) this.#sessions.set(userId, begun);
        else begun.end();
      })
      .catch((error: unknown) => this.#addProblem(String(error)));
  }

  async #until(isDone: () => boolean): Promise<void> {
    const { clock } = this.#server;
    let startedTs = performance.now();
    await clock.settle();
    for (let rounds = 0; !isDone() && rounds < MOST_ROUNDS; ) {
      await clock.settle();
      if (performance.now() - startedTs < PATIENCE_MS) continue;
      // Deadlines of calls, and of what nobody answers, are in the server's time.
      await clock.advance(TICK_MS);
      startedTs = performance.now();
      rounds++;
    }
  }

  #takeProblems(): void {
    const { federation, logger } = this.#server;
    federation.clear();
    for (const line of logger.lines.splice(0)) {
      if (line.level === 'warn' || line.level === 'error') this.#addProblem(describeLineAndPlace(line));
    }
  }

  #addProblem(text: string): void {
    const count = this.problems.get(text);
    if (count !== undefined || this.problems.size < MOST_PROBLEMS) this.problems.set(text, (count ?? 0) + 1);
  }
}
