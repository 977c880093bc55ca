/**
 * A promise that is waited for only so long. The work behind it is not stopped by that; whoever starts it sees to its end.
 */
import type { Clock } from './clock.ts';

export function withDeadline<T>(clock: Clock, ms: number, work: Promise<T>, late: () => Error): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = clock.setTimeout(() => reject(late()), ms);
    void work.then(resolve, reject).finally(() => timer.cancel());
  });
}
