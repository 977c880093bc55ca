/**
 * Does something long over all there is, whenever it is asked for: one pass at a time, and whatever is asked for meanwhile is one more after it.
 *
 * If it is asked for again and again, a pass begins only after a pause as long as the last one took, so that half of the time is others'.
 */
import type { Clock, Timer } from '../ports/clock.ts';
import { type Background, inBackground } from './background.ts';

/** Passes in a row without a pause. */
const FREE_PASSES = 2;
const LEAST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 1_000;

interface Due {
  readonly done: Promise<void>;
  readonly end: () => void;
}

export class Passes {
  readonly #options: Pick<Background, 'clock' | 'logger'>;
  readonly #what: string;
  readonly #pass: () => Promise<void>;
  /** The pass that is to come. */
  #due: Due | null = null;
  #isRunning = false;
  #isStopped = false;
  #pause: Timer | null = null;
  #endPause = (): void => undefined;

  constructor(options: Pick<Background, 'clock' | 'logger'>, what: string, pass: () => Promise<void>) {
    this.#options = options;
    this.#what = what;
    this.#pass = pass;
  }

  /** A pass begins from now on. */
  request(): void {
    this.#demand();
  }

  /** The same, and resolves when it has ended. */
  make(): Promise<void> {
    return this.#demand().done;
  }

  /** None begins any more. */
  stop(): void {
    this.#isStopped = true;
    this.#pause?.cancel();
    this.#endPause();
  }

  #demand(): Due {
    if (this.#due !== null) return this.#due;
    let end = (): void => undefined;
    const done = new Promise<void>((resolve) => {
      end = resolve;
    });
    const due = { done, end };
    this.#due = due;
    if (!this.#isRunning) inBackground(this.#options, this.#what, this.#run());
    return due;
  }

  async #run(): Promise<void> {
    const { clock } = this.#options;
    this.#isRunning = true;
    let current: Due | null = null;
    try {
      for (let passes = 1, tookMs = 0; this.#due !== null; passes++) {
        if (passes > FREE_PASSES) await this.#rest(clock, tookMs);
        if (this.#isStopped) return;
        current = this.#due;
        this.#due = null;
        const start = clock.now();
        await this.#pass();
        tookMs = clock.now() - start;
        current.end();
      }
    } finally {
      this.#isRunning = false;
      // Nobody waits for what will not come.
      current?.end();
      this.#due?.end();
      this.#due = null;
    }
  }

  #rest(clock: Clock, tookMs: number): Promise<void> {
    if (this.#isStopped) return Promise.resolve();
    return new Promise((resolve) => {
      this.#endPause = resolve;
      this.#pause = clock.setTimeout(resolve, Math.min(Math.max(tookMs, LEAST_PAUSE_MS), LONGEST_PAUSE_MS));
    });
  }
}
