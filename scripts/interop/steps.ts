/**
 * Steps of a try-out with real programs: each prints a line, and one that fails does not keep the others from running.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { PresenceContent, TestUser } from '../../test/support/test-client.ts';

export const WITHIN_MS = 90_000;

let failures = 0;

export async function step(title: string, action: () => Promise<unknown>): Promise<void> {
  const startTs = Date.now();
  try {
    await action();
    say(`ok    ${title} (${((Date.now() - startTs) / 1000).toFixed(1)} s)`);
  } catch (error) {
    failures++;
    say(`FAIL  ${title}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Prints the sum, and sets the exit code. */
export function conclude(): void {
  say(failures === 0 ? 'all steps passed' : `${failures} steps failed`);
  process.exitCode = failures === 0 ? 0 : 1;
}

export function hasFailed(): boolean {
  return failures > 0;
}

export type Sees = (wanted: Partial<PresenceContent>) => Promise<void>;

/** Follows one user's presence with long polls, over restarts of the server. */
export function follow(observer: TestUser, userId: string): Sees {
  let since: string | undefined;
  return async (wanted) => {
    const deadlineTs = Date.now() + WITHIN_MS;
    const matches = (content: PresenceContent): boolean =>
      Object.entries(wanted).every(([key, value]) => content[key as keyof PresenceContent] === value);
    for (;;) {
      try {
        const found = await observer.waitForPresence(userId, matches, {
          ...(since === undefined ? {} : { since }),
          withinMs: deadlineTs - Date.now(),
          set_presence: 'offline',
        });
        since = found.since;
        return;
      } catch (error) {
        // Only a server that is down is waited for.
        if (Date.now() > deadlineTs || !String(error).includes('fetch failed')) throw error;
        await sleep(250);
      }
    }
  };
}

/** What a client that starts anew is told of somebody. */
export async function firstSight(observer: TestUser, userId: string): Promise<PresenceContent | undefined> {
  const body = await observer.sync({ set_presence: 'offline' });
  const events: { sender: string; content: PresenceContent }[] = body.presence?.events ?? [];
  return events.find(({ sender }) => sender === userId)?.content;
}

export function expectEqual(actual: unknown, wanted: unknown): void {
  if (JSON.stringify(actual) !== JSON.stringify(wanted)) {
    throw new Error(`${JSON.stringify(actual)} instead of ${JSON.stringify(wanted)}`);
  }
}
