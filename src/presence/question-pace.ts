/**
 * Paces what is asked about each observer: at once while that is now and then, and a little later while it is all the time.
 *
 * Ten questions at once and ten a second are free. Beyond that one question stands for all requests of the next 100 ms, and is
 * asked at their end: whoever requests one gets one, never more than 100 ms late.
 */
import type { Clock, Timer } from '../ports/clock.ts';

const INTERVAL_MS = 100;
const FREE_QUESTIONS = 10;

/** What is kept for each observer; starts as 0 and false. */
export interface Paced {
  /** Each question moves this by 100 ms, from now on at least: how far it is ahead tells how many were asked lately. */
  paidUntilTs: number;
  isPutOff: boolean;
}

export class QuestionPace<T extends Paced> {
  readonly #clock: Clock;
  readonly #ask: (about: T) => void;
  /** In the order of their times. */
  #putOff: { readonly about: T; readonly dueTs: number }[] = [];
  #timer: Timer | null = null;

  constructor(clock: Clock, ask: (about: T) => void) {
    this.#clock = clock;
    this.#ask = ask;
  }

  /** Asks now, or within 100 ms. */
  request(about: T): void {
    if (about.isPutOff) return;
    const now = this.#clock.now();
    if (about.paidUntilTs - now > (FREE_QUESTIONS - 1) * INTERVAL_MS) {
      about.isPutOff = true;
      this.#putOff.push({ about, dueTs: now + INTERVAL_MS });
      if (this.#timer === null) this.#wait(INTERVAL_MS);
      return;
    }
    about.paidUntilTs = Math.max(about.paidUntilTs, now) + INTERVAL_MS;
    this.#ask(about);
  }

  /** Nothing that was put off is asked any more. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#putOff = [];
  }

  #wait(delayMs: number): void {
    this.#timer = this.#clock.setTimeout(() => this.#askDue(), delayMs);
  }

  #askDue(): void {
    const now = this.#clock.now();
    const waiting = this.#putOff.findIndex(({ dueTs }) => dueTs > now);
    const due = waiting < 0 ? this.#putOff : this.#putOff.slice(0, waiting);
    this.#putOff = waiting < 0 ? [] : this.#putOff.slice(waiting);
    this.#timer = null;
    const [next] = this.#putOff;
    if (next !== undefined) this.#wait(next.dueTs - now);
    for (const { about } of due) {
      about.isPutOff = false;
      about.paidUntilTs = Math.max(about.paidUntilTs, now) + INTERVAL_MS;
      this.#ask(about);
    }
  }
}
