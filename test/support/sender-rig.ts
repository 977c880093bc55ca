/**
 * A sender of presence with everything around it in memory: peers that do as they are told, an engine reduced to what it would say, and a
 * clock that the test moves. The peers check what holds for every transaction.
 */
import { expect } from 'vitest';
import { MemoryDestinationStore, MemoryMetrics, RecordingLogger } from '../../src/adapters/memory/index.ts';
import { ManualClock } from '../../src/adapters/memory/manual-clock.ts';
import type { UserPresenceState } from '../../src/core/user-presence-state.ts';
import { FederationSender } from '../../src/federation/sending/federation-sender.ts';
import type { PeerTransactions, TransactionResult } from '../../src/federation/sending/peer-transactions.ts';
import type { FederationSenderOptions } from '../../src/federation/sending/sender-options.ts';
import { canonicalJson } from '../../src/matrix/canonical-json.ts';
import type { ServerName, UserId } from '../../src/matrix/identifiers.ts';
import type { DestinationStore } from '../../src/ports/federation-store.ts';
import type { FederationTransport, OwedPresence } from '../../src/ports/federation-transport.ts';

export const US: ServerName = 'us.example';

export interface PushEntry {
  readonly user_id: UserId;
  readonly presence: string;
  readonly last_active_ago?: number;
  readonly status_msg?: string;
  readonly currently_active?: boolean;
}

export interface SentTransaction {
  readonly atTs: number;
  readonly destination: ServerName;
  readonly txnId: string;
  readonly body: string;
  /** One array for each EDU. */
  readonly pushes: readonly (readonly PushEntry[])[];
}

/** What a peer does with one attempt. `lost`: it takes it, and the answer does not arrive. */
export type Deed = 'ok' | 'lost' | 'failed' | 'limited' | 'not_tried' | 'never';

/** All other servers: they take transactions as homeservers do, each id once. */
export class FakePeers implements PeerTransactions {
  readonly attempts: SentTransaction[] = [];
  readonly views = new Map<ServerName, Map<UserId, PushEntry>>();
  /** What becomes of an attempt, and after which time. */
  behave: (attempt: SentTransaction) => { deed: Deed; afterMs?: number; retryAfterMs?: number } = () => ({
    deed: 'ok',
  });
  maxOpen = 0;
  readonly open = new Set<ServerName>();
  readonly #clock: ManualClock;
  readonly #bodies = new Map<string, string>();
  readonly #taken = new Set<string>();

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  async send(destination: ServerName, txnId: string, body: string, signal: AbortSignal): Promise<TransactionResult> {
    const attempt = this.#check(destination, txnId, body);
    this.attempts.push(attempt);
    this.open.add(destination);
    this.maxOpen = Math.max(this.maxOpen, this.open.size);
    const { deed, afterMs = 0, retryAfterMs = null } = this.behave(attempt);
    if (deed === 'ok' || deed === 'lost') this.#take(attempt);
    await new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve());
      if (deed !== 'never') this.#clock.setTimeout(resolve, afterMs);
    });
    this.open.delete(destination);
    if (signal.aborted) return { ok: false, reason: 'not_tried', retryAfterMs: null, detail: 'stopped' };
    if (deed === 'ok') return { ok: true };
    const reason = deed === 'limited' || deed === 'not_tried' ? deed : 'failed';
    return { ok: false, reason, retryAfterMs, detail: deed };
  }

  view(destination: ServerName): Map<UserId, PushEntry> {
    let view = this.views.get(destination);
    if (view === undefined) this.views.set(destination, (view = new Map()));
    return view;
  }

  to(destination: ServerName): SentTransaction[] {
    return this.attempts.filter((attempt) => attempt.destination === destination);
  }

  /** Every entry of every attempt, in order. */
  entries(destination: ServerName): PushEntry[] {
    return this.to(destination).flatMap(({ pushes }) => pushes.flat());
  }

  #check(destination: ServerName, txnId: string, body: string): SentTransaction {
    expect(this.open.has(destination), `two transactions to ${destination} at once`).toBe(false);
    expect(txnId).toMatch(/^[0-9a-z-]{3,40}$/);
    expect(this.#bodies.get(txnId) ?? body, `the body of ${txnId} changed`).toBe(body);
    this.#bodies.set(txnId, body);
    const parsed = JSON.parse(body) as {
      origin: string;
      origin_server_ts: number;
      pdus: unknown[];
      edus: { edu_type: string; content: { push: PushEntry[] } }[];
    };
    expect(canonicalJson(parsed)).toBe(body);
    expect(parsed).toEqual({ origin: US, origin_server_ts: expect.any(Number), pdus: [], edus: expect.any(Array) });
    expect(parsed.edus.length).toBeGreaterThan(0);
    expect(parsed.edus.length).toBeLessThanOrEqual(100);
    const pushes = parsed.edus.map(({ edu_type, content }) => {
      expect(edu_type).toBe('m.presence');
      expect(content.push.length).toBeGreaterThan(0);
      expect(content.push.length).toBeLessThanOrEqual(50);
      return content.push;
    });
    const users = pushes.flat().map(({ user_id }) => user_id);
    expect(new Set(users).size, 'a user twice in one transaction').toBe(users.length);
    return { atTs: this.#clock.now(), destination, txnId, body, pushes };
  }

  #take({ destination, txnId, pushes }: SentTransaction): void {
    if (this.#taken.has(txnId)) return;
    this.#taken.add(txnId);
    const view = this.view(destination);
    for (const entry of pushes.flat()) view.set(entry.user_id, entry);
  }
}

/** What the engine would answer: the present states of all, whom `tells` gives to every destination. */
export class FakeEngine implements OwedPresence {
  readonly states = new Map<UserId, UserPresenceState>();
  readonly calls: { destination: ServerName; sinceTs: number }[] = [];
  batch = 100;
  /** Awaited before each batch. */
  pause: () => Promise<void> = () => Promise.resolve();

  set(...states: readonly UserPresenceState[]): void {
    for (const state of states) this.states.set(state.userId, state);
  }

  async *statesFor(destination: ServerName, sinceTs: number): AsyncIterable<readonly UserPresenceState[]> {
    this.calls.push({ destination, sinceTs });
    const users = [...this.states.keys()];
    for (let at = 0; at < users.length; at += this.batch) {
      await this.pause();
      const states = users.slice(at, at + this.batch).map((userId) => this.states.get(userId) as UserPresenceState);
      yield states.filter((state) => state.state !== 'offline' || state.lastFederationUpdateTs >= sinceTs);
    }
  }

  /** As the presence service after a start. */
  resendSince(sinceTs: number, transport: FederationTransport, destinations: readonly ServerName[]): void {
    const told = [...this.states.values()].filter(({ lastFederationUpdateTs }) => lastFederationUpdateTs >= sinceTs);
    for (const destination of destinations) transport.sendPresence(destination, told);
  }
}

export interface RigOptions {
  readonly options?: Partial<FederationSenderOptions>;
  readonly store?: DestinationStore;
  readonly isAllowed?: (server: ServerName) => boolean;
  readonly random?: () => number;
}

export class SenderRig {
  readonly clock = new ManualClock();
  readonly peers = new FakePeers(this.clock);
  readonly engine = new FakeEngine();
  readonly store: DestinationStore;
  readonly logger = new RecordingLogger();
  metrics = new MemoryMetrics();
  sender: FederationSender;
  readonly #options: RigOptions;

  constructor(options: RigOptions = {}) {
    this.#options = options;
    this.store = options.store ?? new MemoryDestinationStore();
    this.sender = this.#make();
  }

  #make(): FederationSender {
    const { isAllowed = () => true, options = {}, random = () => 1 / 3 } = this.#options;
    this.metrics = new MemoryMetrics();
    return new FederationSender({
      serverName: US,
      transactions: this.peers,
      store: this.store,
      clock: this.clock,
      logger: this.logger,
      metrics: this.metrics,
      random,
      isAllowed,
      options,
    });
  }

  /** Starts a sender; after the first time a new one, as the next process would. */
  async start(): Promise<void> {
    await this.sender.start(this.engine);
    await this.clock.settle();
  }

  async restart(): Promise<void> {
    const stopped = this.sender.stop();
    for (let i = 0; i < 50; i++) await this.clock.advance(100);
    await stopped;
    this.sender = this.#make();
    await this.start();
  }

  /** The engine has these states, and tells the destinations. */
  tell(destinations: ServerName | readonly ServerName[], ...states: readonly UserPresenceState[]): void {
    this.engine.set(...states);
    for (const destination of [destinations].flat()) this.sender.sendPresence(destination, states);
  }

  /** A state told of now. */
  state(name: string, rest: Partial<UserPresenceState> = {}): UserPresenceState {
    const now = this.clock.now();
    return Object.freeze({
      userId: `@${name}:${US}`,
      state: 'online',
      lastActiveTs: now,
      lastFederationUpdateTs: now,
      lastUserSyncTs: now,
      statusMsg: null,
      currentlyActive: true,
      ...rest,
    });
  }
}

/** A peer that can be switched. */
export function switchable(rig: SenderRig): { deed: Deed; retryAfterMs: number | null } {
  const state: { deed: Deed; retryAfterMs: number | null } = { deed: 'ok', retryAfterMs: null };
  rig.peers.behave = () => ({
    deed: state.deed,
    afterMs: 10,
    ...(state.retryAfterMs === null ? {} : { retryAfterMs: state.retryAfterMs }),
  });
  return state;
}

/** A sender that runs, and its peer. */
export async function startedRig(
  deed: Deed,
  ...options: ConstructorParameters<typeof SenderRig>
): Promise<{ readonly rig: SenderRig; readonly peer: ReturnType<typeof switchable> }> {
  const rig = new SenderRig(...options);
  const peer = switchable(rig);
  peer.deed = deed;
  await rig.start();
  return { rig, peer };
}
