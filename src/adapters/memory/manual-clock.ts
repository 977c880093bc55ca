/**
 * Time that stands still until a test moves it. Timers run in the order of their times, and everything that one of them
 * set off has settled before the next one runs.
 */
import type { Clock, Timer } from '../../ports/clock.ts';

interface Entry {
  readonly at: number;
  readonly callback: () => void;
}

export class ManualClock implements Clock {
  #now: number;
  /** In the order in which they were set, which is the order among timers of one time. */
  readonly #timers = new Set<Entry>();

  /** @param startTs - @default 2026-01-01T00:00:00Z */
  constructor(startTs = Date.UTC(2026, 0, 1)) {
    this.#now = startTs;
  }

  now(): number {
    return this.#now;
  }

  setTimeout(callback: () => void, delayMs: number): Timer {
    const entry: Entry = { at: this.#now + Math.max(0, delayMs), callback };
    this.#timers.add(entry);
    const cancel = () => void this.#timers.delete(entry);
    return { cancel, [Symbol.dispose]: cancel };
  }

  /** Timers that have not fired. */
  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** Moves the time by `ms`, running what falls due on the way at its own time. Not to be called while one is under way. */
  async advance(ms: number): Promise<void> {
    if (!(ms >= 0)) throw new RangeError(`time does not move by ${ms} ms`);
    const target = this.#now + ms;
    await this.settle();
    for (let next = this.#next(target); next !== null; next = this.#next(target)) {
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.callback();
      await this.settle();
    }
    this.#now = target;
  }

  /** Waits until all promises that do not wait for time or the outside world have run. Moves nothing. */
  async settle(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
  }

  #next(until: number): Entry | null {
    let next: Entry | null = null;
    for (const entry of this.#timers) {
      if (entry.at <= until && (next === null || entry.at < next.at)) next = entry;
    }
    return next;
  }
}
