/**
 * All destinations with a record, what they hold together, and the moves that every part of the sender makes with them.
 *
 * Whatever does not fit, or fails for long, is given up for "owed since": that is the only way a queue ends other than by being sent.
 */
import type { UserPresenceState } from '../../core/user-presence-state.ts';
import type { ServerName } from '../../matrix/identifiers.ts';
import type { Clock } from '../../ports/clock.ts';
import { LruMap } from '../../ports/lru-map.ts';
import type { Checkpoint } from './checkpoint.ts';
import { DeadlineHeap } from './deadline-heap.ts';
import { Destination, type LiveQueue, type Phase } from './destination.ts';
import { DestinationQueue, toldTs } from './destination-queue.ts';
import type { FederationSenderOptions } from './sender-options.ts';
import type { SenderStats, SendingMetrics } from './sending-metrics.ts';
import { type Lane, type Room, StartLine } from './start-line.ts';

export interface DestinationTableParts {
  readonly options: FederationSenderOptions;
  readonly clock: Clock;
  readonly checkpoint: Checkpoint;
  /** Called with the time at which something has to be looked at. */
  readonly onDue: (ts: number) => void;
}

const MAX_TAKERS = 10_000;
/** Of the places of fast ones, that many may be taken by servers that are not known to take anything, if any other is known. */
const STRANGERS_SHARE = 3 / 4;

export class DestinationTable {
  readonly line: StartLine;
  readonly deadlines = new DeadlineHeap<Destination>();
  /** Characters of transactions that are not answered, which is bytes but for what is not ASCII. */
  bytes = 0;
  readonly #parts: DestinationTableParts;
  readonly #destinations = new Map<ServerName, Destination>();
  readonly #tally = { states: 0 };
  /** `strangers` are among the fast ones. */
  readonly #open = { fast: 0, slow: 0, strangers: 0 };
  /** Servers that have taken something; those that do well have no record else. */
  readonly #takers = new LruMap<ServerName, true>(MAX_TAKERS);

  constructor(parts: DestinationTableParts) {
    this.#parts = parts;
    this.line = new StartLine(parts.options);
  }

  get all(): Iterable<Destination> {
    return this.#destinations.values();
  }

  get open(): number {
    return this.#open.fast + this.#open.slow;
  }

  find(server: ServerName): Destination | undefined {
    return this.#destinations.get(server);
  }

  /** Null if there are too many already. */
  findOrAdd(server: ServerName, metrics: SendingMetrics): Destination | null {
    const known = this.#destinations.get(server);
    if (known !== undefined) return known;
    const { maxDestinations } = this.#parts.options;
    if (this.#destinations.size >= maxDestinations) {
      metrics.limitReached('destinations', maxDestinations);
      return null;
    }
    const added = new Destination(server);
    this.#destinations.set(server, added);
    return added;
  }

  /** Drops the record if there is nothing in it. */
  forget(destination: Destination): void {
    if (!destination.isIdle || destination.isSaved || this.#parts.checkpoint.isChanged(destination)) return;
    this.deadlines.remove(destination);
    this.#destinations.delete(destination.name);
  }

  openQueue(destination: Destination): LiveQueue {
    destination.live = { queue: new DestinationQueue(this.#tally), transaction: null, stream: null, isLimited: false };
    return destination.live;
  }

  /** `states` were told, and will be read again. */
  oweStates(destination: Destination, states: readonly UserPresenceState[], now: number): void {
    for (const state of states) this.#owe(destination, toldTs(state, now));
  }

  /** Gives the queue up for "owed since". What is open goes on, and counts if it arrives. */
  collapse(destination: Destination): void {
    const { live } = destination;
    if (live === null) return;
    const sinceTs = Math.min(destination.undeliveredTs, this.#parts.clock.now());
    if (live.transaction !== null && !destination.isOpen) this.bytes -= live.transaction.body.length;
    live.queue.dispose();
    live.stream?.close();
    destination.live = null;
    this.#owe(destination, sinceTs);
  }

  /** Gives the queue up if it, or all together, hold too much. */
  collapseIfOverfull(destination: Destination, live: LiveQueue, metrics: SendingMetrics): boolean {
    const { maxStates, maxStatesPerDestination } = this.#parts.options;
    if (live.queue.size > maxStatesPerDestination)
      metrics.limitReached('states_per_destination', maxStatesPerDestination);
    else if (this.#tally.states > maxStates) metrics.limitReached('states', maxStates);
    else return false;
    this.collapse(destination);
    return true;
  }

  /** Its row has changed, or may have. */
  changed(destination: Destination): void {
    this.#parts.checkpoint.changed(destination);
  }

  /** Makes sure that it is looked at then, or earlier if it is due earlier. */
  dueAt(destination: Destination, ts: number): void {
    if (destination.phase !== 'waiting') return;
    if (destination.heapIndex >= 0 && destination.dueTs <= ts) return;
    this.deadlines.set(destination, ts);
    this.#parts.onDue(ts);
  }

  /** Puts it in line. */
  ready(destination: Destination, lane: Lane, now: number): void {
    this.deadlines.remove(destination);
    this.line.add(destination, lane, now);
    this.#parts.onDue(now);
  }

  /** Moves it between waiting and the two kinds of open ones. */
  enter(destination: Destination, phase: Phase): void {
    if (destination.phase === 'fast' || destination.phase === 'slow') this.#open[destination.phase]--;
    if (destination.isOpenStranger) this.#open.strangers--;
    destination.phase = phase;
    destination.isOpenStranger = phase === 'fast' && this.#takers.get(destination.name) === undefined;
    if (phase === 'fast' || phase === 'slow') this.#open[phase]++;
    if (destination.isOpenStranger) this.#open.strangers++;
  }

  /** It has taken a transaction. */
  took(destination: Destination): void {
    this.#takers.set(destination.name, true);
  }

  /** Where a destination stands whose time has come. What is owed since before the start says nothing good of it. */
  laneOf({ failures, name, owedSinceTs }: Destination): Lane {
    if (failures === 0 && this.#takers.get(name) === true) return 'fresh';
    return failures > 0 || owedSinceTs !== null ? 'retries' : 'strangers';
  }

  /** What there is room for. */
  get room(): Room {
    const { maxBytesInFlight, maxConcurrentTransactions, maxSlowTransactions } = this.#parts.options;
    const hasBytes = this.bytes < maxBytesInFlight || this.open === 0;
    const maxStrangers = Math.ceil(maxConcurrentTransactions * (this.#takers.size === 0 ? 1 : STRANGERS_SHARE));
    const fast = hasBytes && this.#open.fast < maxConcurrentTransactions;
    return {
      fast,
      strangers: fast && this.#open.strangers < maxStrangers,
      slow: hasBytes && this.#open.slow < maxSlowTransactions,
    };
  }

  /** Everything told before it has arrived, or is owed. */
  undeliveredTs(now: number): number {
    let ts = now;
    for (const destination of this.#destinations.values()) {
      if (destination.owedSinceTs === null && destination.live !== null) ts = Math.min(ts, destination.undeliveredTs);
    }
    return ts;
  }

  /** Walks over all destinations. */
  get stats(): SenderStats {
    let [pendingDestinations, failingDestinations, owedDestinations] = [0, 0, 0];
    for (const { live, failures, owedSinceTs } of this.#destinations.values()) {
      if (live !== null && live.queue.size > 0) pendingDestinations++;
      if (failures > 0) failingDestinations++;
      if (owedSinceTs !== null) owedDestinations++;
    }
    return {
      destinations: this.#destinations.size,
      states: this.#tally.states,
      pendingDestinations,
      openTransactions: this.open,
      bytesInFlight: this.bytes,
      failingDestinations,
      owedDestinations,
    };
  }

  #owe(destination: Destination, sinceTs: number): void {
    if (destination.owedSinceTs !== null && destination.owedSinceTs <= sinceTs) return;
    destination.owedSinceTs = sinceTs;
    this.changed(destination);
  }
}
