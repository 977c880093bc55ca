/**
 * Sends presence to other servers: takes what is to be told, and decides when something happens.
 *
 * One record per destination with work (destination.ts), one heap of deadlines and one timer for all of them, one line for those whose
 * time has come (start-line.ts), one courier for what is open (courier.ts), and a checkpoint for the next start (checkpoint.ts).
 * (Over 300 lines: start, stop and everything in between are one order of events.)
 */
import type { UserPresenceState } from '../../core/user-presence-state.ts';
import { isServerName, type ServerName } from '../../matrix/identifiers.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { DestinationRow, DestinationStore } from '../../ports/federation-store.ts';
import type { DestinationStanding, FederationTransport, OwedPresence } from '../../ports/federation-transport.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Metrics } from '../../ports/metrics.ts';
import { Checkpoint } from './checkpoint.ts';
import { Courier } from './courier.ts';
import { Destination, type LiveQueue, WELL } from './destination.ts';
import { DestinationTable } from './destination-table.ts';
import { keepAlivesDueTs } from './keep-alive-phase.ts';
import type { PeerTransactions } from './peer-transactions.ts';
import { DEFAULT_SENDER_OPTIONS, type FederationSenderOptions } from './sender-options.ts';
import { SendingMetrics, type SenderStats } from './sending-metrics.ts';

export interface FederationSenderParts {
  readonly serverName: ServerName;
  readonly transactions: PeerTransactions;
  readonly store: DestinationStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** In [0, 1), as Math.random. */
  readonly random: () => number;
  /** Whether we talk to the server at all. Our own and invalid names are refused anyway. */
  readonly isAllowed: (server: ServerName) => boolean;
  readonly options?: Partial<FederationSenderOptions>;
}

/** Timers take 24 days at most; one that is early changes nothing. */
const MAX_TIMER_MS = 86_400_000;

export class FederationSender implements FederationTransport {
  readonly #parts: FederationSenderParts;
  readonly #options: FederationSenderOptions;
  readonly #metrics: SendingMetrics;
  readonly #checkpoint: Checkpoint;
  readonly #table: DestinationTable;
  #courier: Courier | null = null;
  #timer: Timer | null = null;
  #timerTs = Infinity;
  #startedTs = 0;
  #checkpointDueTs = Infinity;
  #saving: Promise<void> = Promise.resolve();
  #lastToldTs = 0;
  #resendSinceTs = 0;
  #phase: 'new' | 'running' | 'stopping' | 'stopped' = 'new';
  /** Set while stopping. */
  #onDrained: (() => void) | null = null;

  constructor(parts: FederationSenderParts) {
    const { clock, logger, metrics, store } = parts;
    this.#parts = parts;
    this.#options = { ...DEFAULT_SENDER_OPTIONS, ...parts.options };
    this.#checkpoint = new Checkpoint(store, logger);
    this.#table = new DestinationTable({
      options: this.#options,
      clock,
      checkpoint: this.#checkpoint,
      onDue: (ts) => {
        if (ts < this.#timerTs) this.#arm(ts);
      },
    });
    this.#metrics = new SendingMetrics(metrics, logger, () => this.stats);
  }

  /** After `start`: updates told at or after it may not have reached their servers before the last end; have them told again. */
  get resendSinceTs(): number {
    return this.#resendSinceTs;
  }

  /** Walks over all destinations. */
  get stats(): SenderStats {
    return this.#table.stats;
  }

  /**
   * Reads how the destinations did, and begins. Have everything since `resendSinceTs` told again right after it: what is saved does not
   * move on before the first interval between checkpoints is over.
   *
   * @throws PortError
   */
  async start(owed: OwedPresence): Promise<void> {
    const { clock, logger, random, serverName, store, transactions } = this.#parts;
    await this.#checkpoint.load(clock.now());
    this.#resendSinceTs = this.#checkpoint.deliveredUntilTs;
    const rows = await store.loadAll();
    const options = this.#options;
    const metrics = this.#metrics;
    const table = this.#table;
    this.#courier = new Courier({ serverName, options, table, transactions, owed, clock, logger, metrics, random });
    this.#startedTs = clock.now();
    for (const row of rows) this.#restore(row, this.#startedTs);
    this.#phase = 'running';
    this.#turn();
  }

  /**
   * Sends what waits, for a few seconds at most; the rest is saved as owed. Stop the presence service first: what is told afterwards is
   * dropped. Never rejects.
   */
  async stop(): Promise<void> {
    if (this.#phase !== 'running') {
      this.#phase = 'stopped';
      return;
    }
    this.#phase = 'stopping';
    await this.#drain();
    this.#phase = 'stopped';
    this.#courier?.stop();
    this.#timer?.cancel();
    for (const destination of this.#table.all) {
      const { live } = destination;
      // Keep-alives alone are left to the time that is saved.
      const isOwed = live !== null && (live.queue.updates > 0 || live.transaction !== null || live.stream !== null);
      if (isOwed) this.#table.collapse(destination);
    }
    await this.#saving;
    await this.#save();
  }

  sendPresence(server: ServerName, states: readonly UserPresenceState[]): void {
    const destination = this.#accept(server, states);
    if (destination === null) return;
    const table = this.#table;
    const now = this.#parts.clock.now();
    const { coalescingWindowMs } = this.#options;
    const live = this.#queueFor(destination);
    if (live === null) table.oweStates(destination, states, now);
    else {
      live.stream?.note(states);
      this.#metrics.superseded(live.queue.add(states, now));
      table.collapseIfOverfull(destination, live, this.#metrics);
    }
    if (destination.failures === 0) {
      table.dueAt(destination, Math.min(destination.live?.queue.sinceTs ?? now, now) + coalescingWindowMs);
    }
  }

  sendKeepAlives(server: ServerName, states: readonly UserPresenceState[]): void {
    const destination = this.#accept(server, states);
    if (destination === null) return;
    const table = this.#table;
    const now = this.#parts.clock.now();
    const { keepAliveSpreadMs, maxEdusPerTransaction, maxStatesPerEdu } = this.#options;
    let dueTs = keepAlivesDueTs(server, now, keepAliveSpreadMs);
    const live = this.#queueFor(destination);
    // What is being read from the engine keeps them alive, too.
    if (live !== null && live.stream !== null) return;
    if (live === null) table.oweStates(destination, states, now);
    else {
      const { queue } = live;
      queue.addKeepAlives(states, now, dueTs);
      if (queue.keepAlives === 0) return;
      if (queue.keepAlives >= maxStatesPerEdu * maxEdusPerTransaction) queue.keepAlivesDueTs = now;
      if (!table.collapseIfOverfull(destination, live, this.#metrics)) dueTs = queue.keepAlivesDueTs;
    }
    if (destination.failures === 0) table.dueAt(destination, dueTs);
  }

  standingOf(server: ServerName): DestinationStanding {
    const destination = this.#table.find(server);
    const isAllowed = this.#isWelcome(server);
    return { isOn: true, isAllowed, ...(destination?.standing ?? WELL) };
  }

  /** A request of that server has come in and was authentic: it can be reached again. */
  peerIsAlive(origin: ServerName): void {
    const destination = this.#table.find(origin);
    if (destination === undefined || destination.failures === 0 || destination.live?.isLimited === true) return;
    if (this.#phase !== 'running') return;
    const now = this.#parts.clock.now();
    const wakeTs = destination.wokenTs + this.#options.minWakeIntervalMs;
    if (wakeTs > now) {
      // It asks, but does not take anything: no hurry.
      this.#table.dueAt(destination, wakeTs);
      return;
    }
    destination.wokenTs = now;
    destination.failures = 0;
    destination.retryIntervalMs = 0;
    this.#table.changed(destination);
    if (!destination.isOpen) this.#table.ready(destination, 'urgent', now);
  }

  #isWelcome(server: ServerName): boolean {
    return isServerName(server) && server !== this.#parts.serverName && this.#parts.isAllowed(server);
  }

  #restore(row: DestinationRow, now: number): void {
    const isWelcome = this.#isWelcome(row.destination);
    const destination = isWelcome
      ? this.#table.findOrAdd(row.destination, this.#metrics)
      : new Destination(row.destination);
    // Too many: its row stays for a start with a higher limit.
    if (destination === null) return;
    destination.isSaved = true;
    if (!isWelcome) {
      this.#table.changed(destination);
      return;
    }
    destination.failures = row.failures;
    destination.retryIntervalMs = row.retryIntervalMs;
    destination.owedSinceTs = row.owedSinceTs;
    // What was told before the start joins what is owed.
    this.#table.collapse(destination);
    const latestTs = now + Math.max(this.#options.maxRetryIntervalMs, this.#options.maxRetryAfterMs);
    this.#table.deadlines.set(destination, Math.min(Math.max(row.retryAtTs, now), latestTs));
  }

  /** The record of a destination that may get `states`; null if it may not. */
  #accept(server: ServerName, states: readonly UserPresenceState[]): Destination | null {
    if (states.length === 0) return null;
    if (this.#phase === 'stopped' || (this.#table.find(server) === undefined && !this.#isWelcome(server))) {
      this.#metrics.refused(states.length);
      return null;
    }
    this.#lastToldTs = this.#parts.clock.now();
    this.#wantCheckpoint(this.#lastToldTs);
    return this.#table.findOrAdd(server, this.#metrics);
  }

  /** Null if what is told is only noted as owed. */
  #queueFor(destination: Destination): LiveQueue | null {
    if (destination.live !== null) return destination.live;
    if (destination.owedSinceTs !== null || destination.failures > 0) return null;
    return this.#table.openQueue(destination);
  }

  /** Everything that time brings, or room. */
  #turn(): void {
    const courier = this.#courier;
    if (courier === null || this.#phase === 'new' || this.#phase === 'stopped') return;
    const now = this.#parts.clock.now();
    const table = this.#table;
    const { deadlines, line } = table;
    if (this.#checkpoint.hasChanges) this.#wantCheckpoint(now);
    for (let due = deadlines.take(now); due !== null; due = deadlines.take(now)) this.#due(due, now);
    for (let ready = line.take(now, table.room); ready !== null; ready = line.take(now, table.room)) {
      ready.phase = 'waiting';
      if (this.#phase === 'running' || isQuick(ready)) this.#attempt(courier, ready);
    }
    if (now >= this.#checkpointDueTs) {
      this.#checkpointDueTs = Infinity;
      this.#saving = this.#saving.then(() => this.#save());
    }
    this.#arm(Math.min(deadlines.nextTs, line.nextTs(table.room), this.#checkpointDueTs));
    if (this.#isDrained) this.#onDrained?.();
  }

  #attempt(courier: Courier, destination: Destination): void {
    courier
      .attempt(destination)
      .then(() => {
        // At the end nothing waits for company.
        if (this.#phase === 'stopping') this.#hurry(destination);
        this.#turn();
      })
      .catch((err: unknown) => this.#parts.logger.error({ err }, 'the sender of presence failed'));
  }

  #hurry(destination: Destination): void {
    const { failures, isOpen, live } = destination;
    if (isOpen || failures > 0 || live === null || live.queue.updates === 0) return;
    this.#table.ready(destination, 'urgent', this.#parts.clock.now());
  }

  #due(destination: Destination, now: number): void {
    if (destination.phase === 'waiting') {
      this.#table.ready(destination, this.#table.laneOf(destination), now);
    } else if (destination.phase === 'fast') {
      // It takes long: its place is for one that does not.
      if (this.#table.room.slow) this.#table.enter(destination, 'slow');
      else this.#table.deadlines.set(destination, now + this.#options.slowAfterMs);
    }
  }

  #arm(ts: number): void {
    if (this.#phase === 'stopped' || ts === this.#timerTs) return;
    this.#timer?.cancel();
    this.#timer = null;
    this.#timerTs = ts;
    if (ts === Infinity) return;
    const { clock } = this.#parts;
    this.#timer = clock.setTimeout(
      () => {
        this.#timerTs = Infinity;
        this.#turn();
      },
      Math.min(Math.max(0, ts - clock.now()), MAX_TIMER_MS),
    );
  }

  /** Lets everything go that is not held up by failures, for a limited time. */
  async #drain(): Promise<void> {
    const { clock } = this.#parts;
    for (const destination of this.#table.all) this.#hurry(destination);
    await new Promise<void>((resolve) => {
      const timer = clock.setTimeout(resolve, this.#options.stopTimeoutMs);
      this.#onDrained = () => {
        timer.cancel();
        resolve();
      };
      this.#turn();
    });
  }

  get #isDrained(): boolean {
    return this.#table.open === 0 && this.#table.line.nextTs({ fast: true, strangers: false, slow: false }) !== 0;
  }

  #wantCheckpoint(now: number): void {
    if (this.#checkpointDueTs !== Infinity) return;
    this.#checkpointDueTs = now + this.#options.checkpointIntervalMs;
    if (this.#checkpointDueTs < this.#timerTs) this.#arm(this.#checkpointDueTs);
  }

  async #save(): Promise<void> {
    const { checkpointIntervalMs } = this.#options;
    const now = this.#parts.clock.now();
    // What was told before the last end is being told again.
    const isSettled = now >= this.#startedTs + checkpointIntervalMs;
    const untilTs = isSettled ? this.#table.undeliveredTs(now) : null;
    for (const destination of await this.#checkpoint.save(untilTs)) this.#table.forget(destination);
    const isDone = !this.#checkpoint.hasChanges && this.#checkpoint.deliveredUntilTs > this.#lastToldTs;
    if (!isDone && this.#phase !== 'stopped') this.#wantCheckpoint(now);
  }
}

/** Whether it is begun while stopping: a queue that is there, and a destination that does well. */
function isQuick({ failures, live }: Destination): boolean {
  return failures === 0 && live !== null && live.stream === null;
}
