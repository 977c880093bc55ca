/**
 * Decides when a callback that keeps failing is left alone for a while, and when it gets another chance.
 *
 * After so many failures in a row it rests. When the rest is over one call goes through as a trial: if it succeeds all is
 * as before, if it fails the callback rests again. Time comes in as `now`.
 */
import type { CallbackLimits } from './callback-limits.ts';

export class Rest {
  readonly #limits: Pick<CallbackLimits, 'failuresBeforeRest' | 'restMs'>;
  #failures = 0;
  /** 0 while it does not rest. */
  #until = 0;
  #trial = false;

  constructor(limits: Pick<CallbackLimits, 'failuresBeforeRest' | 'restMs'>) {
    this.#limits = limits;
  }

  /** Whether a call may be made now. If so, one of the two methods below is called when it has ended. */
  admit(now: number): boolean {
    if (this.#until === 0) return true;
    if (now < this.#until || this.#trial) return false;
    this.#trial = true;
    return true;
  }

  /** When the rest ends; 0 unless it rests now. Only looks. */
  until(now: number): number {
    return now < this.#until ? this.#until : 0;
  }

  succeeded(now: number): void {
    // A call from before the rest says nothing about how the callback does now.
    if (now < this.#until) return;
    this.#failures = 0;
    this.#until = 0;
    this.#trial = false;
  }

  /** Returns whether a rest begins. */
  failed(now: number): boolean {
    if (now < this.#until) return false;
    this.#trial = false;
    this.#failures += 1;
    const { failuresBeforeRest, restMs } = this.#limits;
    if (failuresBeforeRest === 0 || this.#failures < failuresBeforeRest) return false;
    this.#until = now + restMs;
    return true;
  }
}
