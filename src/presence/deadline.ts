/**
 * Waiting for work that may take too long: at most so many milliseconds. What it does goes on.
 */
import type { Clock } from '../ports/clock.ts';

/** Resolves when the work is done or the time is over, whichever comes first; rejects if the work does before. */
export async function atMost(clock: Clock, ms: number, work: Promise<void>): Promise<void> {
  let expire = (): void => undefined;
  const deadline = new Promise<void>((resolve) => {
    expire = resolve;
  });
  const timer = clock.setTimeout(expire, ms);
  try {
    await Promise.race([work, deadline]);
  } finally {
    timer.cancel();
  }
}
