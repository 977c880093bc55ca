/**
 * Calls the engine's `tick` as often as it wants, by the clock port.
 */
import type { Clock, Timer } from '../ports/clock.ts';

export class Ticker {
  readonly #clock: Clock;
  readonly #tick: (now: number) => void;
  #timer: Timer | null = null;

  constructor(clock: Clock, tick: (now: number) => void) {
    this.#clock = clock;
    this.#tick = tick;
  }

  start(everyMs: number): void {
    this.#timer = this.#clock.setTimeout(() => {
      // First the next one: a tick that fails must not be the last.
      this.start(everyMs);
      this.#tick(this.#clock.now());
    }, everyMs);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }
}
