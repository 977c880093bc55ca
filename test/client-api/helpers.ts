/**
 * What the tests of sync and presence share: reading presence out of sync answers, and waiting for a condition.
 */
import type { TestServer } from '../support/start-test-server.ts';
import type { PresenceContent, TestUser } from '../support/test-client.ts';

export interface PresenceEvent {
  readonly type: string;
  readonly sender: string;
  readonly content: PresenceContent & Readonly<Record<string, unknown>>;
}

export interface SyncBody {
  readonly next_batch: string;
  readonly presence?: { readonly events: readonly PresenceEvent[] };
  readonly rooms: Readonly<Record<'join' | 'invite' | 'knock' | 'leave', Readonly<Record<string, unknown>>>>;
}

export function eventsOf(body: SyncBody): readonly PresenceEvent[] {
  return body.presence?.events ?? [];
}

/** Sender → state; fails when somebody is named twice. */
export function statesOf(body: SyncBody): Record<string, string> {
  const states: Record<string, string> = {};
  for (const { sender, content } of eventsOf(body)) {
    if (Object.hasOwn(states, sender)) throw new Error(`${sender} is there twice`);
    states[sender] = content.presence;
  }
  return states;
}

/** The newest token, without affecting presence. */
export async function tokenOf(user: TestUser): Promise<string> {
  const body: SyncBody = await user.sync({ set_presence: 'offline' });
  return body.next_batch;
}

/** Everything since the token, without affecting presence. */
export function look(user: TestUser, since?: string, query: Record<string, string | number> = {}): Promise<SyncBody> {
  return user.sync({ set_presence: 'offline', since, ...query });
}

/** Asks again until the condition holds; fails after ten seconds. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`never: ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** How many syncs wait on the server. */
export async function pollsOf(server: TestServer): Promise<number> {
  return (await server.metric(`synapse_notifier_listeners{server_name="${server.serverName}"}`)) ?? NaN;
}

/** Waits until exactly so many syncs wait on the server. */
export function waitingPolls(server: TestServer, count: number): Promise<void> {
  return until(async () => (await pollsOf(server)) === count, `${count} polls waiting`);
}

/** Two users of one room; the first made it. */
export async function roomOf(server: TestServer, ...names: readonly string[]): Promise<TestUser[]> {
  const users = await Promise.all(names.map((name) => server.register(name)));
  const roomId = await users[0]!.createRoom();
  for (const user of users.slice(1)) await user.join(roomId);
  return users;
}

/** Whether the promise is still open after the server has answered another request. */
export async function staysOpen(server: TestServer, promise: Promise<unknown>): Promise<boolean> {
  let isOpen = true;
  const close = (): void => {
    isOpen = false;
  };
  promise.then(close, close);
  for (let i = 0; i < 3; i += 1) await server.request('GET', '/health');
  return isOpen;
}
