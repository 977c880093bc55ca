/**
 * Sources to be asked about again by itself, because a module failed which had said nothing yet: with growing pauses, so that what its failure
 * keeps back is given when it has recovered, without anybody doing anything.
 *
 * Bounded: beyond that, everything that is known is asked for again.
 */
import type { UserId } from '../matrix/identifiers.ts';
import type { Clock, Timer } from '../ports/clock.ts';

const FIRST_PAUSE_MS = 1_000;
const LAST_PAUSE_MS = 30_000;
const MAX_SOURCES = 10_000;
/** How exact the pauses are. */
const STEP_MS = 1_000;

/** An answer that has not come by then never will: nobody was concerned any more when it was to be asked for. */
const ANSWERED_WITHIN_MS = 60_000;

export interface RestrictionRetriesOptions {
  readonly clock: Clock;
  /** Returns false if an answer about the source would concern nobody. */
  readonly askAgain: (source: UserId) => boolean;
  readonly askAgainAboutAll: () => void;
}

interface Retry {
  pauseMs: number;
  dueTs: number;
  isOut: boolean;
}

export class RestrictionRetries {
  readonly #options: RestrictionRetriesOptions;
  readonly #retries = new Map<UserId, Retry>();
  /** For whom there was no place in the list. */
  #others: Retry | null = null;
  #timer: Timer | null = null;

  constructor(options: RestrictionRetriesOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#retries.size;
  }

  /** There is an answer about the source. */
  note(source: UserId, isFinal: boolean): void {
    if (isFinal) {
      if (this.#retries.size > 0) this.#retries.delete(source);
      return;
    }
    const known = this.#retries.get(source);
    if (known !== undefined) this.#putOff(known);
    else if (this.#retries.size < MAX_SOURCES) this.#retries.set(source, this.#fresh());
    else if (this.#others === null) this.#others = this.#fresh();
    else this.#putOff(this.#others);
    this.#timer ??= this.#options.clock.setTimeout(() => this.#run(), STEP_MS);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#retries.clear();
    this.#others = null;
  }

  #fresh(): Retry {
    return { pauseMs: FIRST_PAUSE_MS, dueTs: this.#options.clock.now() + FIRST_PAUSE_MS, isOut: false };
  }

  #putOff(retry: Retry): void {
    // What others asked in between makes the pause no longer.
    if (!retry.isOut) return;
    retry.isOut = false;
    retry.pauseMs = Math.min(retry.pauseMs * 2, LAST_PAUSE_MS);
    retry.dueTs = this.#options.clock.now() + retry.pauseMs;
  }

  #run(): void {
    const { clock, askAgain, askAgainAboutAll } = this.#options;
    const now = clock.now();
    this.#timer = null;
    if (this.#others !== null && now >= this.#others.dueTs) {
      // Asked for, and there was a place for all of them.
      if (this.#others.isOut) this.#others = null;
      else {
        begin(this.#others, now);
        askAgainAboutAll();
      }
    }
    for (const [source, retry] of this.#retries) {
      if (now < retry.dueTs) continue;
      begin(retry, now);
      if (!askAgain(source)) this.#retries.delete(source);
    }
    if (this.#retries.size === 0 && this.#others === null) return;
    this.#timer ??= clock.setTimeout(() => this.#run(), STEP_MS);
  }
}

function begin(retry: Retry, now: number): void {
  retry.isOut = true;
  retry.dueTs = now + ANSWERED_WITHIN_MS;
}
