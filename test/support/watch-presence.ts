/**
 * A client that polls all the time and remembers every presence event it was told, in order: what leaked, and what came twice, can be counted.
 */
import type { PresenceContent, TestUser } from './test-client.ts';
import { until } from './until.ts';

export interface ToldPresence {
  readonly sender: string;
  readonly content: PresenceContent;
}

export interface PresenceWatcher extends AsyncDisposable {
  readonly user: TestUser;
  /** Since the watcher began, or since `forget`. */
  readonly told: readonly ToldPresence[];
  /** What it was told of one user, in order. */
  of(sender: string): PresenceContent[];
  /** The states it was told of one user, in order. */
  states(sender: string): string[];
  /** Resolves when it has been told of the user as wanted. */
  sees(sender: string, wanted: (content: PresenceContent) => boolean): Promise<PresenceContent>;
  forget(): void;
  /** Goes on, without events, until the server has no more to say of what has happened until now. */
  stop(): Promise<void>;
  /** The token of the last answer. */
  readonly token: string | undefined;
}

export interface WatchOptions {
  /** Goes on from here. @default an initial sync, whose events count */
  readonly since?: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
}

/** Resolves when the first answer is in. Syncs do not affect the user's own presence. */
export async function watchPresence(user: TestUser, { since, query }: WatchOptions = {}): Promise<PresenceWatcher> {
  const told: ToldPresence[] = [];
  const stopping = new AbortController();
  let token = since;
  const sync = async (timeout: number): Promise<void> => {
    const body = await user.sync({ since: token, timeout, set_presence: 'offline', ...query }, stopping.signal);
    token = body.next_batch as string;
    told.push(...((body.presence?.events ?? []) as ToldPresence[]));
  };
  await sync(0);
  const poll = async (): Promise<void> => {
    while (!stopping.signal.aborted) await sync(20_000);
  };
  const polling = poll().catch((error: unknown) => {
    if (!stopping.signal.aborted) throw error;
  });
  // A failure is for whoever stops the watcher, or waits for something that does not come.
  polling.catch(() => undefined);

  const of = (sender: string): PresenceContent[] =>
    told.filter((one) => one.sender === sender).map(({ content }) => content);
  const stop = async (): Promise<void> => {
    stopping.abort();
    await polling;
  };
  return {
    user,
    told,
    of,
    states: (sender) => of(sender).map(({ presence }) => presence),
    sees: async (sender, wanted) => {
      const find = (): PresenceContent | undefined => of(sender).findLast(wanted);
      try {
        await until(() => find() !== undefined);
      } catch {
        throw new Error(`${user.userId} did not see ${sender} as wanted; was told ${JSON.stringify(told)}`);
      }
      return find() as PresenceContent;
    },
    forget: () => {
      told.length = 0;
    },
    get token() {
      return token;
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
