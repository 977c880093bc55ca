/**
 * A presence service in a test: manual clock, in-memory ports, and clients that sync as the server's sync does.
 */
import { ManualClock } from '../../src/adapters/memory/manual-clock.ts';
import {
  MemoryFederationTransport,
  MemoryMetrics,
  MemoryPresenceStore,
  MemoryRoomDirectory,
  RecordingLogger,
} from '../../src/adapters/memory/index.ts';
import { openDatabase } from '../../src/adapters/sqlite/database.ts';
import { SqlitePresenceStore } from '../../src/adapters/sqlite/presence-store.ts';
import type { Observer, PresenceCursor, RoutingAnswer } from '../../src/core/engine-api.ts';
import { Form } from '../../src/core/forms.ts';
import type { UserPresenceState } from '../../src/core/user-presence-state.ts';
import type { UserId } from '../../src/matrix/identifiers.ts';
import type { FederationTransport } from '../../src/ports/federation-transport.ts';
import type { PresenceStore } from '../../src/ports/presence-store.ts';
import {
  createPresenceHandler,
  DEFAULT_LIMITS,
  DEFAULT_TIMERS,
  type PresenceHandler,
  type PresenceSettings,
  type SyncSession,
} from '../../src/presence/index.ts';
import type { Interest, Router } from '../../src/router-host/index.ts';
import { type Restrictions, UNRESTRICTED } from '../../src/router-host/router-api.ts';

/** Routers as one pair of functions, with what they were asked. */
export class StubRouter implements Router {
  hasCallbacks = true;
  deadlineMs = 2_000;
  route: (states: readonly UserPresenceState[]) => RoutingAnswer | Promise<RoutingAnswer> = () => new Map();
  interest: (userId: UserId) => Interest | Promise<Interest> = () => [];
  restricts = false;
  restrict: (source: UserId, observers: readonly Observer[]) => Restrictions | Promise<Restrictions> = () =>
    UNRESTRICTED;
  /** What was asked about restrictions: source, then observers. */
  readonly restrictionQuestions: (readonly [UserId, ...Observer[]])[] = [];
  readonly batches: (readonly UserPresenceState[])[] = [];
  readonly questions: UserId[] = [];
  readonly forgotten: UserId[] = [];

  getUsersForStates(states: readonly UserPresenceState[]): RoutingAnswer | Promise<RoutingAnswer> {
    this.batches.push([...states]);
    return this.route(states);
  }

  getInterestedUsers(userId: UserId): Interest | Promise<Interest> {
    this.questions.push(userId);
    return this.interest(userId);
  }

  getRestrictions(source: UserId, observers: readonly Observer[]): Restrictions | Promise<Restrictions> {
    this.restrictionQuestions.push([source, ...observers]);
    return this.restrict(source, observers);
  }

  /** A stub has no modules. */
  examine(): ReturnType<Router['examine']> {
    return Promise.resolve({ modules: [], interest: null, routedTo: [], form: 0 });
  }

  forgetObservers(users: Iterable<UserId> = []): void {
    this.forgotten.push(...users);
  }

  /**
   * Restricts by source and observer, `*` for everybody else, as long as the test leaves `forms` so; after a change, invalidate.
   */
  static restricting(forms: Record<UserId, Record<string, Form>>): StubRouter {
    const router = new StubRouter();
    router.restricts = true;
    router.restrict = (source, observers) => {
      const own = forms[source] ?? {};
      const named = observers.map((observer) => [observer, own[observer] ?? own['*'] ?? Form.FULL] as const);
      return { others: null, observers: new Map(named), isFinal: true };
    };
    return router;
  }

  /** Routes every update of `source` to `targets`, and lets each local target be interested in it. */
  static connecting(pairs: Readonly<Record<UserId, readonly UserId[]>>): StubRouter {
    const router = new StubRouter();
    const entries = Object.entries(pairs) as [UserId, readonly UserId[]][];
    router.route = (states) => {
      const sources = new Set(states.map((state) => state.userId));
      return new Map(entries.filter(([source]) => sources.has(source)));
    };
    router.interest = (userId) => entries.filter(([, targets]) => targets.includes(userId)).map(([source]) => source);
    return router;
  }
}

export interface RigOptions extends Partial<PresenceSettings> {
  readonly store?: PresenceStore;
  readonly rooms?: MemoryRoomDirectory;
  readonly router?: StubRouter;
  readonly clock?: ManualClock;
  /** In place of the one that keeps what would have left. */
  readonly transport?: FederationTransport;
  /** @default queueMicrotask */
  readonly schedule?: (fn: () => void) => unknown;
}

export type Content = Readonly<Record<string, unknown>>;

export class Rig {
  readonly clock: ManualClock;
  readonly store: PresenceStore;
  readonly rooms: MemoryRoomDirectory;
  readonly router: StubRouter | null;
  readonly federation = new MemoryFederationTransport();
  readonly metrics = new MemoryMetrics();
  readonly logger = new RecordingLogger();
  readonly handler: PresenceHandler;
  readonly #options: RigOptions;

  constructor(options: RigOptions = {}) {
    this.#options = options;
    this.clock = options.clock ?? new ManualClock();
    this.store = options.store ?? new MemoryPresenceStore();
    this.rooms = options.rooms ?? new MemoryRoomDirectory();
    this.router = options.router ?? null;
    const { store: _store, rooms: _rooms, router: _router, clock: _clock, transport, schedule, ...settings } = options;
    this.handler = createPresenceHandler(
      {
        serverName: 'test',
        mode: 'tracked',
        timers: DEFAULT_TIMERS,
        limits: DEFAULT_LIMITS,
        excludedRooms: new Set(),
        maxStatusMsgBytes: 65_536,
        busyEnabled: false,
        ...settings,
      },
      {
        store: this.store,
        rooms: this.rooms,
        federation: transport ?? this.federation,
        router: this.router ?? noRouter(),
        clock: this.clock,
        logger: this.logger,
        metrics: this.metrics,
        schedule: schedule ?? queueMicrotask,
      },
    );
  }

  static async start(options: RigOptions = {}): Promise<Rig> {
    const rig = new Rig(options);
    await rig.handler.start();
    return rig;
  }

  /** Another process on the same store, rooms and clock: what is left after this one was killed, or after `stop`. */
  async successor(changes: RigOptions = {}): Promise<Rig> {
    const { store, rooms, clock, router } = this;
    return Rig.start({ ...this.#options, store, rooms, clock, ...(router === null ? {} : { router }), ...changes });
  }

  client(userId: UserId, deviceId = 'DEVICE'): Client {
    return new Client(this, userId, deviceId);
  }

  status(userId: UserId): Content {
    return JSON.parse(this.handler.statusFor(userId, userId) as string) as Content;
  }

  /** What `GET …/status` answers; null for 403. */
  async get(observer: UserId, target: UserId): Promise<Content | null> {
    const status = await this.handler.statusFor(observer, target);
    return status === null ? null : (JSON.parse(status) as Content);
  }

  async sees(observer: UserId, target: UserId): Promise<boolean> {
    return (await this.get(observer, target)) !== null;
  }

  async put(
    userId: UserId,
    state: 'online' | 'unavailable' | 'offline',
    statusMsg: string | null = null,
  ): Promise<void> {
    await this.handler.setPresence(userId, 'DEVICE', state, statusMsg);
  }

  settle(): Promise<void> {
    return this.clock.settle();
  }

  advance(ms: number): Promise<void> {
    return this.clock.advance(ms);
  }
}

export interface SyncOptions {
  readonly setPresence?: 'online' | 'unavailable' | 'offline';
  readonly explicit?: boolean;
  readonly rateLimited?: boolean;
  readonly includeOffline?: boolean;
  readonly limit?: number;
  readonly extras?: readonly UserId[];
  readonly lost?: readonly UserId[];
}

/** One device of a user. */
export class Client {
  readonly userId: UserId;
  readonly deviceId: string;
  cursor: PresenceCursor | null = null;
  /** Everything `watch` was told, in order. */
  readonly seen: (readonly [UserId, Content])[] = [];
  readonly #rig: Rig;
  #watching: { session: SyncSession; listener: Disposable } | null = null;

  constructor(rig: Rig, userId: UserId, deviceId: string) {
    this.#rig = rig;
    this.userId = userId;
    this.deviceId = deviceId;
  }

  async begin({
    setPresence = 'offline',
    explicit = true,
    rateLimited = false,
  }: SyncOptions = {}): Promise<SyncSession> {
    const isWhole = this.cursor === null;
    const options = { setPresence, explicit, rateLimited, isWhole };
    return await this.#rig.handler.beginSync(this.userId, this.deviceId, options);
  }

  /** One sync that returns at once: initial if there is no token yet. By default it does not affect presence. */
  async sync(options: SyncOptions = {}): Promise<Map<UserId, Content>> {
    const session = await this.begin(options);
    try {
      return this.collect(options);
    } finally {
      session.end();
    }
  }

  /** What a sync would answer now; moves the token. */
  collect({ includeOffline = false, limit, extras = [], lost = [] }: SyncOptions = {}): Map<UserId, Content> {
    const { handler } = this.#rig;
    const since = this.cursor;
    const { uids, forms, next } = handler.collect(this.userId, {
      since,
      includeOffline,
      extras,
      lost,
      accept: null,
      limit: limit ?? null,
    });
    this.cursor = next;
    const events = uids.map((uid, index) => {
      const body = handler.eventBody(uid, forms?.[index] ?? Form.FULL);
      return JSON.parse(body) as { sender: UserId; content: Content };
    });
    if (new Set(events.map((event) => event.sender)).size !== events.length)
      throw new Error('a user is told about twice');
    return new Map(events.map((event) => [event.sender, event.content]));
  }

  /** Keeps a long poll open from now on; `seen` fills. What is there already is told at once. */
  async watch(options: SyncOptions = {}): Promise<this> {
    const session = await this.begin(options);
    // As a client does: whoever got an answer asks again.
    const collect = () => {
      for (let events = this.collect(options); events.size > 0; events = this.collect(options))
        this.seen.push(...events);
    };
    const listener = this.#rig.handler.onNotify((users) => {
      if (users.includes(this.userId)) collect();
    });
    this.#watching = { session, listener };
    collect();
    return this;
  }

  unwatch(): void {
    this.#watching?.listener[Symbol.dispose]();
    this.#watching?.session.end();
    this.#watching = null;
  }

  /** The states of `userId` that `watch` was told, in order. */
  statesOf(userId: UserId): unknown[] {
    return this.seen.filter(([sender]) => sender === userId).map(([, content]) => content['presence']);
  }

  lastOf(userId: UserId): Content | undefined {
    return this.seen.findLast(([sender]) => sender === userId)?.[1];
  }
}

function noRouter(): StubRouter {
  const router = new StubRouter();
  router.hasCallbacks = false;
  return router;
}

/** A promise and how to settle it. */
export function later<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

/** A SQLite store in memory that survives the service that uses it. */
export function sqliteStore(): SqlitePresenceStore {
  return new SqlitePresenceStore(openDatabase({ path: ':memory:', logger: new RecordingLogger() }));
}

/** A store whose operations fail or wait when the test says so. */
export class UnreliableStore implements PresenceStore {
  readonly inner: PresenceStore;
  /** Thrown by the operations named in `failing`. */
  error: Error = new Error('unset');
  readonly failing = new Set<keyof PresenceStore>();
  /** Operations wait for these before they do anything. */
  readonly gates = new Map<keyof PresenceStore, Promise<void>>();
  readonly calls: (keyof PresenceStore)[] = [];

  constructor(inner: PresenceStore) {
    this.inner = inner;
  }

  loadAll = (): ReturnType<PresenceStore['loadAll']> => this.inner.loadAll();
  loadFullPresenceMarks = () => this.#call('loadFullPresenceMarks', () => this.inner.loadFullPresenceMarks());
  positionCeiling = () => this.#call('positionCeiling', () => this.inner.positionCeiling());
  write: PresenceStore['write'] = (rows) => this.#call('write', () => this.inner.write(rows));
  writeRouted: PresenceStore['writeRouted'] = (answers) =>
    this.#call('writeRouted', () => this.inner.writeRouted(answers));
  moveRouted: PresenceStore['moveRouted'] = (positions) =>
    this.#call('moveRouted', () => this.inner.moveRouted(positions));
  writeFullPresenceMarks: PresenceStore['writeFullPresenceMarks'] = (marks) =>
    this.#call('writeFullPresenceMarks', () => this.inner.writeFullPresenceMarks(marks));
  reservePositions: PresenceStore['reservePositions'] = (ceiling) =>
    this.#call('reservePositions', () => this.inner.reservePositions(ceiling));
  remove: PresenceStore['remove'] = (users) => this.#call('remove', () => this.inner.remove(users));

  async #call<T>(operation: keyof PresenceStore, work: () => Promise<T>): Promise<T> {
    this.calls.push(operation);
    await this.gates.get(operation);
    if (this.failing.has(operation)) throw this.error;
    return await work();
  }
}
