/**
 * What the engine counts for metrics, as plain data that the caller takes away and adds up.
 */
import type { NotifyReason } from './engine-api.ts';
import type { PresenceState } from '../matrix/presence-state.ts';

export type Locality = 'local' | 'remote';

/** Since the last `takeCounters()`. */
export interface EngineCounters {
  /** Users whose turn was evaluated, whether or not anything was told. */
  readonly updatesProcessed: number;
  /** Updates worth telling. */
  readonly notified: number;
  readonly pings: number;
  readonly timersFired: number;
  readonly bumps: number;
  /** Entries taken from other servers. */
  readonly remoteEntries: number;
  readonly notifyReasons: readonly {
    readonly locality: Locality;
    readonly reason: NotifyReason;
    readonly count: number;
  }[];
  /** Counted only for the reason `state_change`, as the reference server does. */
  readonly stateTransitions: readonly {
    readonly locality: Locality;
    readonly from: PresenceState;
    readonly to: PresenceState;
    readonly count: number;
  }[];
  /** Increments answered from an inbox, and by looking at everybody visible. */
  readonly collectedFromInbox: number;
  readonly collectedByScan: number;
  readonly snapshots: number;
  /** Inboxes that had to drop entries because of `maxPendingPerObserver`. */
  readonly inboxOverflows: number;
  /** Sources whose restrictions were forgotten because of `maxRestrictions`. */
  readonly restrictionsEvicted: number;
}

type NumberKey = {
  [K in keyof EngineCounters]: EngineCounters[K] extends number ? K : never;
}[keyof EngineCounters];

export class Counters {
  #numbers = emptyNumbers();
  readonly #reasons = new Map<string, { locality: Locality; reason: NotifyReason; count: number }>();
  readonly #transitions = new Map<
    string,
    { locality: Locality; from: PresenceState; to: PresenceState; count: number }
  >();

  add(key: NumberKey, count = 1): void {
    this.#numbers[key] += count;
  }

  addNotified(locality: Locality, reason: NotifyReason, from: PresenceState, to: PresenceState): void {
    this.#numbers.notified++;
    const known = this.#reasons.get(`${locality} ${reason}`);
    if (known !== undefined) known.count++;
    else this.#reasons.set(`${locality} ${reason}`, { locality, reason, count: 1 });
    if (reason !== 'state_change') return;
    const key = `${locality} ${from} ${to}`;
    const transition = this.#transitions.get(key);
    if (transition !== undefined) transition.count++;
    else this.#transitions.set(key, { locality, from, to, count: 1 });
  }

  /** Everything counted since the last call. */
  take(): EngineCounters {
    const taken = {
      ...this.#numbers,
      notifyReasons: [...this.#reasons.values()],
      stateTransitions: [...this.#transitions.values()],
    };
    this.#numbers = emptyNumbers();
    this.#reasons.clear();
    this.#transitions.clear();
    return taken;
  }
}

function emptyNumbers(): Record<NumberKey, number> {
  return {
    updatesProcessed: 0,
    notified: 0,
    pings: 0,
    timersFired: 0,
    bumps: 0,
    remoteEntries: 0,
    collectedFromInbox: 0,
    collectedByScan: 0,
    snapshots: 0,
    inboxOverflows: 0,
    restrictionsEvicted: 0,
  };
}
