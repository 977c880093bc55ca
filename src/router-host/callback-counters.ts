/**
 * Counts what becomes of one callback's calls: for the metrics, and for whoever asks about the module, where nobody reads metrics.
 */
import type { CallbackName } from '../module/callbacks.ts';
import type { BoundCounter, BoundHistogram, Labels } from '../ports/metrics.ts';
import type { DropReason } from './callback-runner.ts';
import type { CallbackFailure } from './errors.ts';
import type { ModuleMetrics } from './module-metrics.ts';

export type Outcome = 'ok' | 'rested' | CallbackFailure;
const OUTCOMES: readonly Outcome[] = ['ok', 'rested', 'threw', 'timed_out', 'invalid_return', 'blocked'];

/** Since the module was constructed. */
export interface CallbackCounts {
  /** Calls by what became of them; `rested`: not made. */
  readonly calls: Readonly<Record<Outcome, number>>;
  /** How long the calls took, all together, in seconds, and how many that was. */
  readonly seconds: { readonly total: number; readonly count: number };
  /** Times it was put to rest after failures in a row. */
  readonly rests: number;
  /** Entries of answers that were dropped, by reason; reasons without any are left out. */
  readonly dropped: Readonly<Partial<Record<DropReason, number>>>;
}

export class CallbackCounters {
  readonly #labels: Labels;
  readonly #metrics: ModuleMetrics;
  readonly #outcomes: ReadonlyMap<Outcome, BoundCounter>;
  readonly #histogram: BoundHistogram;
  readonly #calls: Record<Outcome, number> = {
    ok: 0,
    rested: 0,
    threw: 0,
    timed_out: 0,
    invalid_return: 0,
    blocked: 0,
  };
  readonly #dropped: Partial<Record<DropReason, number>> = {};
  #seconds = 0;
  #timed = 0;
  #rests = 0;

  constructor(module: string, callback: CallbackName, metrics: ModuleMetrics) {
    this.#labels = { module, callback };
    this.#metrics = metrics;
    this.#outcomes = new Map(OUTCOMES.map((outcome) => [outcome, metrics.calls.of({ ...this.#labels, outcome })]));
    this.#histogram = metrics.seconds.of(this.#labels);
  }

  get counts(): CallbackCounts {
    return {
      calls: { ...this.#calls },
      seconds: { total: this.#seconds, count: this.#timed },
      rests: this.#rests,
      dropped: { ...this.#dropped },
    };
  }

  /** A call that was made and has ended. */
  ended(outcome: Outcome, elapsedMs: number): void {
    this.#count(outcome);
    this.#seconds += elapsedMs / 1000;
    this.#timed += 1;
    this.#histogram.observe(elapsedMs / 1000);
  }

  /** A call that was not made. */
  rested(): void {
    this.#count('rested');
  }

  restBegins(): void {
    this.#rests += 1;
    this.#metrics.rests.inc(this.#labels);
  }

  dropped(reason: DropReason): void {
    this.#dropped[reason] = (this.#dropped[reason] ?? 0) + 1;
    this.#metrics.dropped.inc({ ...this.#labels, reason });
  }

  #count(outcome: Outcome): void {
    this.#calls[outcome] += 1;
    this.#outcomes.get(outcome)?.inc();
  }
}
