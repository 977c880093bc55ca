/**
 * Paces what modules have asked again by source: at once while that is now and then, and every 100 ms for a source that is invalidated
 * all the time, by a module that does so in its own callback, say.
 *
 * Who is being paced is forgotten when they have been quiet.
 */
import type { UserId } from '../matrix/identifiers.ts';
import type { Clock } from '../ports/clock.ts';
import { type Paced, QuestionPace } from './question-pace.ts';

/** From so many sources on it is looked who has been quiet. */
const MAX_KEPT = 1_000;

interface PacedSource extends Paced {
  readonly source: UserId;
}

export class InvalidationPace {
  readonly #clock: Clock;
  readonly #pace: QuestionPace<PacedSource>;
  readonly #sources = new Map<UserId, PacedSource>();
  #nextSweep = MAX_KEPT;

  constructor(clock: Clock, ask: (source: UserId) => void) {
    this.#clock = clock;
    this.#pace = new QuestionPace(clock, ({ source }) => ask(source));
  }

  /** Sources that are remembered. */
  get size(): number {
    return this.#sources.size;
  }

  /** Asks now, or within 100 ms. */
  request(source: UserId): void {
    let paced = this.#sources.get(source);
    if (paced === undefined) {
      if (this.#sources.size >= this.#nextSweep) this.#sweep();
      paced = { source, paidUntilTs: 0, isPutOff: false };
      this.#sources.set(source, paced);
    }
    this.#pace.request(paced);
  }

  /** Nothing that was put off is asked any more. */
  stop(): void {
    this.#pace.stop();
    this.#sources.clear();
  }

  #sweep(): void {
    const now = this.#clock.now();
    for (const [source, { isPutOff, paidUntilTs }] of this.#sources) {
      if (!isPutOff && paidUntilTs <= now) this.#sources.delete(source);
    }
    // Not again for each one of many who have not been quiet.
    this.#nextSweep = Math.max(MAX_KEPT, 2 * this.#sources.size);
  }
}
