/**
 * Drives an engine as the presence service does, with a clock that only the test moves: every step ends its turn, publishes
 * it and remembers who was told what.
 */
import type {
  CollectOptions,
  Deliveries,
  EngineOptions,
  PresenceCursor,
  PresenceTimers,
  PresenceUpdate,
  PublishResult,
  RoutingAnswer,
  SyncClaim,
} from '../../src/core/engine-api.ts';
import { Form, reduced } from '../../src/core/forms.ts';
import { PresenceEngine } from '../../src/core/presence-engine.ts';
import type { UserPresenceState } from '../../src/core/user-presence-state.ts';
import type { UserId } from '../../src/matrix/identifiers.ts';
import type { PresenceState } from '../../src/matrix/presence-state.ts';

export const DEFAULT_TIMERS: PresenceTimers = {
  lastActiveGranularityMs: 60_000,
  syncOnlineTimeoutMs: 30_000,
  idleTimeoutMs: 300_000,
  busyOnlineTimeoutMs: 3_600_000,
  federationTimeoutMs: 1_800_000,
  federationPingIntervalMs: 1_500_000,
  observerLingerMs: 60_000,
  managedTtlMs: 3_600_000,
};

export const START_TS = 1_700_000_000_000;
export const DEFAULT_SYNC: SyncClaim = { state: 'online', explicit: false };
export const EXPLICIT_SYNC: SyncClaim = { state: 'online', explicit: true };
export const UNAVAILABLE_SYNC: SyncClaim = { state: 'unavailable', explicit: true };
export const BUSY = 'org.matrix.msc3026.busy';

export function engineOptions(overrides: Partial<EngineOptions> = {}): EngineOptions {
  return {
    serverName: 'test',
    mode: 'tracked',
    timers: DEFAULT_TIMERS,
    limits: { maxPendingPerObserver: 1_000, maxRoutedPerUser: 1_000 },
    excludedRooms: new Set(),
    startPosition: 1_000,
    ...overrides,
  };
}

/** One client of a local user: its token and what it has been told. */
export class TestClient {
  readonly driver: EngineDriver;
  readonly userId: UserId;
  cursor: PresenceCursor | null = null;

  constructor(driver: EngineDriver, userId: UserId) {
    this.driver = driver;
    this.userId = userId;
  }

  /** One sync without a presence effect: what it tells. */
  sync(options: Partial<CollectOptions> = {}): UserPresenceState[] {
    const { engine, now } = this.driver;
    engine.beginSync(this.userId, `${this.userId} watches`, null, false, now);
    const told = this.peek(options);
    engine.endSync(this.userId, `${this.userId} watches`, false, now);
    return told;
  }

  /** What an open poll is told, without a new sync. */
  peek(options: Partial<CollectOptions> = {}): UserPresenceState[] {
    const { engine } = this.driver;
    const collected = engine.collect(this.userId, {
      since: this.cursor,
      includeOffline: false,
      extras: [],
      accept: null,
      limit: null,
      ...options,
    });
    this.cursor = collected.next;
    return collected.uids.map((uid, index) => reduced(engine.state(uid), collected.forms?.[index] ?? Form.FULL));
  }
}

export class EngineDriver {
  readonly engine: PresenceEngine;
  now = START_TS;
  /** Updates of the last step. */
  updates: readonly PresenceUpdate[] = [];
  pings: readonly PresenceUpdate[] = [];
  /** Keep-alives of the last step. */
  keepAlives: PublishResult['keepAlives'] = new Map();
  /** What joins told servers, of the last step. */
  joins: Deliveries['servers'] = new Map();
  deliveries: Deliveries = { observers: new Uint32Array(0), pairs: 0, servers: new Map() };

  constructor(overrides: Partial<EngineOptions> = {}) {
    this.engine = new PresenceEngine(engineOptions(overrides));
  }

  /** Milliseconds since the start. */
  get elapsed(): number {
    return this.now - START_TS;
  }

  client(userId: UserId): TestClient {
    return new TestClient(this, userId);
  }

  /** Connects the user without a presence effect, for as long as the test runs. */
  watch(userId: UserId): TestClient {
    this.engine.beginSync(userId, 'watching', null, false, this.now);
    const client = this.client(userId);
    client.peek();
    return client;
  }

  /** Ends the turn and publishes it. */
  commit(): readonly PresenceUpdate[] {
    const changes = this.engine.takeChanges();
    this.updates = changes.updates;
    this.pings = changes.pings;
    this.joins = changes.joins;
    const published = this.engine.publish(changes);
    this.deliveries = published;
    this.keepAlives = published.keepAlives;
    return changes.updates;
  }

  put(
    userId: UserId,
    deviceId: string,
    state: PresenceState,
    statusMsg: string | null = null,
  ): readonly PresenceUpdate[] {
    this.engine.setPresence(userId, deviceId, state, statusMsg, this.now);
    return this.commit();
  }

  beginSync(
    userId: UserId,
    deviceId: string,
    claim: SyncClaim | null = DEFAULT_SYNC,
    counted = true,
  ): readonly PresenceUpdate[] {
    this.engine.beginSync(userId, deviceId, claim, counted, this.now);
    return this.commit();
  }

  endSync(userId: UserId, deviceId: string, counted = true): readonly PresenceUpdate[] {
    this.engine.endSync(userId, deviceId, counted, this.now);
    return this.commit();
  }

  bump(userId: UserId, deviceId: string): readonly PresenceUpdate[] {
    this.engine.bumpPresenceActiveTime(userId, deviceId, this.now);
    return this.commit();
  }

  /** Lets time pass, ticking as often as the engine asks. Returns everything told meanwhile, with the time. */
  advance(ms: number): { readonly atMs: number; readonly update: PresenceUpdate }[] {
    const until = this.now + ms;
    const told: { atMs: number; update: PresenceUpdate }[] = [];
    while (this.now < until) {
      this.now = Math.min(until, this.now + this.engine.tickMs);
      this.engine.tick(this.now);
      for (const update of this.commit()) told.push({ atMs: this.elapsed, update });
    }
    return told;
  }

  route(answer: RoutingAnswer): ReturnType<PresenceEngine['route']> {
    const routed = this.engine.route(this.updates, answer);
    this.deliveries = routed;
    return routed;
  }

  state(userId: UserId): PresenceState {
    return this.engine.stateOf(userId).state;
  }

  /** Users told by the last deliveries. */
  get woken(): UserId[] {
    return Array.from(this.deliveries.observers, (uid) => this.engine.userId(uid)).sort();
  }
}
