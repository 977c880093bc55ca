/**
 * What the parts of the presence service share: where time comes from, when a turn closes, and who hears of failures.
 */
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';

export interface Background {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Calls `fn` soon, after everything that is under way has run: `setImmediate`, or a test's own. */
  readonly schedule: (fn: () => void) => unknown;
}

/** Lets everything else run once. */
export function breathe({ schedule }: Pick<Background, 'schedule'>): Promise<void> {
  return new Promise((resolve) => schedule(resolve));
}

/** Looks after a promise that nobody waits for: a rejection is a mistake of ours, and logged. */
export function inBackground({ logger }: Pick<Background, 'logger'>, what: string, work: Promise<unknown>): void {
  work.catch((err: unknown) => logger.error({ err, what }, 'presence work in the background failed'));
}
