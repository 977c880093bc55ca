/**
 * Keeps one cause from filling the log: the first occurrence is told at once, then one a minute with how many there were.
 */
import type { Clock } from './clock.ts';
import type { LogFields } from './logger.ts';

const INTERVAL_MS = 60_000;

export class LogGate {
  readonly #clock: Clock;
  readonly #write: (fields: LogFields, message: string) => void;
  readonly #states = new Map<string, { nextTs: number; silenced: number }>();

  /** @param write - a logger's method, bound to it */
  constructor(clock: Clock, write: (fields: LogFields, message: string) => void) {
    this.#clock = clock;
    this.#write = write;
  }

  /**
   * @param cause - one of a few fixed words; each is gated by itself
   * @param describe - makes the fields; called only if there will be a line
   */
  tell(cause: string, describe: () => LogFields, message: string): void {
    const now = this.#clock.now();
    const state = this.#states.get(cause);
    if (state !== undefined && now < state.nextTs) {
      state.silenced += 1;
      return;
    }
    const silenced = state?.silenced ?? 0;
    this.#states.set(cause, { nextTs: now + INTERVAL_MS, silenced: 0 });
    const fields = describe();
    this.#write(silenced === 0 ? fields : { ...fields, unloggedBefore: silenced }, message);
  }
}
