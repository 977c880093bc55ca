/**
 * What a server holds while it runs, and how each thing is let go of: in the reverse order, each within its time.
 *
 * The same list serves a stop and a start that fails half-way.
 */
import type { Logger } from '../ports/logger.ts';

export interface Releases {
  /** Remembers how to let go of something that has just been taken. `name` is for the log. */
  add(name: string, release: () => void | Promise<void>, timeoutMs?: number): void;
  /** Lets go of everything, the last taken first. Never rejects: what fails or takes too long is logged and passed over. */
  releaseAll(): Promise<void>;
}

const DEFAULT_TIMEOUT_MS = 5000;

export function createReleases(logger: Logger): Releases {
  const held: { name: string; release: () => void | Promise<void>; timeoutMs: number }[] = [];
  return {
    add: (name, release, timeoutMs = DEFAULT_TIMEOUT_MS) => {
      held.push({ name, release, timeoutMs });
    },
    releaseAll: async () => {
      for (let last = held.pop(); last !== undefined; last = held.pop()) {
        const { name, release, timeoutMs } = last;
        try {
          if (!(await finishesWithin(release, timeoutMs))) {
            logger.error({ part: name, timeoutMs }, 'a part of the server did not stop in time');
          }
        } catch (err) {
          logger.error({ part: name, err }, 'a part of the server could not stop in order');
        }
      }
    },
  };
}

async function finishesWithin(work: () => void | Promise<void>, timeoutMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  // Node's own timer: it must fire even where the server's clock is moved by a test.
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, timeoutMs, false);
  });
  const done = async (): Promise<true> => {
    await work();
    return true;
  };
  try {
    return await Promise.race([done(), late]);
  } finally {
    clearTimeout(timer);
  }
}
