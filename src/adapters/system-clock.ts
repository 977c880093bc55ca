/**
 * The system's time as a `Clock`: follows the wall clock, but never goes backwards and never stands still.
 *
 * When the wall clock is set back, this one runs at half speed until the two meet again. Timers are unref'd, and longer ones
 * than Node can wait (about 24 days) are waited for in pieces.
 */
import type { Clock, Timer } from '../ports/clock.ts';

/** Where the time comes from; tests give their own. */
export interface TimeSources {
  /** Wall clock, ms since the epoch; may jump. */
  readonly wall: () => number;
  /** Milliseconds since anything; only grows. */
  readonly monotonic: () => number;
}

const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

export function createSystemClock({ wall, monotonic }: TimeSources = SYSTEM): Clock {
  let lastWall = wall();
  let last = lastWall;
  let lastMonotonic = monotonic();

  const now = (): number => {
    const present = wall();
    // Within a millisecond there is nothing to compare: a request reads the time several times, and the other source is the dear one.
    if (present === lastWall) return Math.floor(last);
    lastWall = present;
    const mono = monotonic();
    const elapsed = Math.max(0, mono - lastMonotonic);
    lastMonotonic = mono;
    // Fractions of a millisecond of difference between the two sources are not a clock set back.
    last = present >= last + elapsed - 1 ? Math.max(last, present) : Math.max(present, last + elapsed / 2);
    return Math.floor(last);
  };

  return {
    now,
    setTimeout: (callback, delayMs) => startTimer(callback, delayMs),
  };
}

const SYSTEM: TimeSources = { wall: () => Date.now(), monotonic: () => performance.now() };

function startTimer(callback: () => void, delayMs: number): Timer {
  let remaining = delayMs;
  let handle: NodeJS.Timeout;
  const wait = (): void => {
    const step = Math.min(remaining, LONGEST_TIMEOUT_MS);
    remaining -= step;
    handle = setTimeout(remaining > 0 ? wait : callback, step);
    handle.unref();
  };
  wait();
  const cancel = (): void => {
    clearTimeout(handle);
  };
  return { cancel, [Symbol.dispose]: cancel };
}
