/**
 * Whether something is still waited for, in a test whose clock stands still.
 */
import type { ManualClock } from '../../src/adapters/memory/manual-clock.ts';

/** Whether a promise is still open once everything that does not wait for time has run. */
export async function isPending(world: { readonly clock: ManualClock }, promise: Promise<unknown>): Promise<boolean> {
  let done = false;
  const mark = (): void => {
    done = true;
  };
  promise.then(mark, mark);
  await world.clock.settle();
  return !done;
}
