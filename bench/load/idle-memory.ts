/**
 * Resident memory per idle long-polling client: what the process grows by when many more clients wait.
 *
 * The first clients wake up everything that is needed once (compiled code, the heap's first pages); only the growth
 * from there on counts.
 */
import type { MeasuredProcess } from './child-process.ts';
import { type LoadUser, nextBatch } from './closed-loop.ts';
import { RawClient } from './raw-client.ts';

export interface IdleResult {
  readonly clients: number;
  readonly growthBytes: number;
  readonly bytesPerClient: number;
}

export interface IdleOptions {
  readonly server: MeasuredProcess;
  readonly users: readonly LoadUser[];
  readonly firstClients: number;
  readonly isHub: boolean;
}

const POLL_TIMEOUT_MS = 120_000;
/** After the last poll has begun, for garbage to be collected and pages to be given back. */
const SETTLE_MS = 8000;

export async function idleMemory(options: IdleOptions): Promise<IdleResult> {
  const { server, users, firstClients } = options;
  const clients: RawClient[] = [];
  const open = async (user: LoadUser): Promise<void> => {
    const client = await RawClient.open(server.port);
    clients.push(client);
    let since = '';
    if (!options.isHub) {
      const initial = await client.request('GET', '/_matrix/client/v3/sync?set_presence=offline', user.token);
      since = `&since=${nextBatch(initial.body)}`;
    }
    client
      .request('GET', `/_matrix/client/v3/sync?set_presence=offline&timeout=${POLL_TIMEOUT_MS}${since}`, user.token)
      .then(
        () => undefined,
        () => undefined,
      );
  };
  for (const user of users.slice(0, firstClients)) await open(user);
  await settle();
  const before = server.rssBytes();
  for (const user of users.slice(firstClients)) await open(user);
  await settle();
  const growthBytes = server.rssBytes() - before;
  for (const client of clients) client.close();
  const count = users.length - firstClients;
  return { clients: count, growthBytes, bytesPerClient: growthBytes / count };
}

function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
}
