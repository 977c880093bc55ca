/**
 * The soak: many clients long-poll for minutes while some change their presence; nothing may fail, be missed or grow.
 *
 * `npm run bench:soak -- --clients 2000 --changing 200 --minutes 3`. Users sit in rooms of 20 to 60; a change is a new
 * status message of a changing user. At the end every client's last view of every changing room mate must be that
 * user's last status. Memory is compared between the end of the warm-up and the end.
 */
import { type LoadUser, nextBatch } from './closed-loop.ts';
import { RawClient } from './raw-client.ts';
import { makeRoom, startThalamus } from './thalamus.ts';

export interface SoakOptions {
  readonly clients: number;
  readonly changing: number;
  readonly minutes: number;
}

export interface SoakResult extends SoakOptions {
  readonly changes: number;
  readonly deliveries: number;
  readonly errors: readonly string[];
  readonly missedFinalStates: number;
  readonly rssAfterWarmUpBytes: number;
  readonly rssAtEndBytes: number;
  readonly rssSamplesBytes: readonly number[];
  readonly cpuMs: number;
  readonly slowestDeliveryMs: number;
}

const ROOM_SIZES = [20, 30, 40, 60];
const POLL_TIMEOUT_MS = 30_000;
/** Each changing user pauses for one to three times as long between changes. */
const PAUSE_MS = 1000;
const FINAL_DEADLINE_MS = 20_000;
const MAX_ERRORS = 20;

interface SoakClient {
  readonly user: LoadUser;
  readonly mates: Set<SoakClient>;
  readonly poll: RawClient;
  since: string;
  /** Sender → newest status seen. */
  readonly seen: Map<string, string>;
  status: string;
}

export async function soak(options: SoakOptions): Promise<SoakResult> {
  const thalamus = await startThalamus({ users: options.clients });
  const { process: server } = thalamus;
  const errors: string[] = [];
  const fail = (what: string): void => {
    if (errors.length < MAX_ERRORS) errors.push(what);
  };
  const polling = new AbortController();
  const changing = new AbortController();
  let changes = 0;
  let deliveries = 0;
  let slowestDeliveryMs = 0;

  const clients: SoakClient[] = [];
  for (const user of thalamus.users) {
    const poll = await RawClient.open(server.port);
    clients.push({ user, mates: new Set(), poll, since: '', seen: new Map(), status: '' });
  }
  await fillRooms(server, clients);

  const note = (client: SoakClient, body: string): void => {
    if (!body.includes('"presence":{')) return;
    const { presence } = JSON.parse(body) as SyncBody;
    for (const { sender, content } of presence?.events ?? []) {
      const status = content.status_msg ?? '';
      client.seen.set(sender, status);
      if (status === '') continue;
      deliveries += 1;
      slowestDeliveryMs = Math.max(slowestDeliveryMs, Date.now() - Number(status.split(' ')[1]));
    }
  };
  const pollForEver = async (client: SoakClient): Promise<void> => {
    while (!polling.signal.aborted) {
      const since = client.since === '' ? '' : `&since=${client.since}`;
      const path = `/_matrix/client/v3/sync?timeout=${POLL_TIMEOUT_MS}${since}`;
      try {
        const response = await client.poll.request('GET', path, client.user.token);
        if (response.status !== 200)
          throw new Error(`sync answered ${response.status}: ${response.body.slice(0, 200)}`);
        client.since = nextBatch(response.body);
        note(client, response.body);
      } catch (error) {
        if (!polling.signal.aborted) fail(String(error));
        return;
      }
    }
  };
  const changeForEver = async (client: SoakClient): Promise<void> => {
    const connection = await RawClient.open(server.port);
    const path = `/_matrix/client/v3/presence/${encodeURIComponent(client.user.userId)}/status`;
    while (!changing.signal.aborted) {
      await pause(PAUSE_MS * (1 + 2 * Math.random()));
      if (changing.signal.aborted) break;
      changes += 1;
      const status = `${changes} ${Date.now()}`;
      const presence = Math.random() < 0.8 ? 'online' : 'unavailable';
      const response = await connection.request('PUT', path, client.user.token, { presence, status_msg: status });
      if (response.status === 200) client.status = status;
      else fail(`PUT answered ${response.status}: ${response.body.slice(0, 200)}`);
    }
    connection.close();
  };

  const polls = clients.map(pollForEver);
  const step = Math.max(1, Math.floor(clients.length / options.changing));
  const changers = clients.filter((_client, i) => i % step === 0).slice(0, options.changing);
  const running = changers.map(changeForEver);

  const totalMs = options.minutes * 60_000;
  const warmUpMs = Math.min(60_000, totalMs / 3);
  await pause(warmUpMs);
  const rssAfterWarmUpBytes = server.rssBytes();
  // Thousands of initial syncs at once are not what is measured.
  slowestDeliveryMs = 0;
  const cpuBefore = server.cpuMs();
  const rssSamplesBytes: number[] = [];
  for (let left = totalMs - warmUpMs; left > 0; left -= 10_000) {
    await pause(Math.min(10_000, left));
    rssSamplesBytes.push(server.rssBytes());
  }
  const cpuMs = server.cpuMs() - cpuBefore;

  changing.abort();
  await Promise.all(running);
  const missed = (): number => countMissed(clients);
  const deadline = Date.now() + FINAL_DEADLINE_MS;
  while (missed() > 0 && Date.now() < deadline) await pause(200);
  const missedFinalStates = missed();
  const rssAtEndBytes = server.rssBytes();
  polling.abort();
  for (const { poll } of clients) poll.close();
  await Promise.all(polls);
  await thalamus.stop();
  return {
    ...options,
    changes,
    deliveries,
    errors,
    missedFinalStates,
    rssAfterWarmUpBytes,
    rssAtEndBytes,
    rssSamplesBytes,
    cpuMs,
    slowestDeliveryMs,
  };
}

interface SyncBody {
  readonly presence?: {
    readonly events: readonly { readonly sender: string; readonly content: { readonly status_msg?: string } }[];
  };
}

/** Each user gets into one or two rooms. */
async function fillRooms(server: Parameters<typeof makeRoom>[0], clients: readonly SoakClient[]): Promise<void> {
  for (const stride of [1, 7]) {
    // The second round mixes users who are far apart, and leaves out one half of them.
    const order = stride === 1 ? [...clients] : clients.filter((_client, i) => i % 2 === 0).toSorted(byStride(clients));
    for (let from = 0, i = 0; from < order.length; i += 1) {
      const size = ROOM_SIZES[i % ROOM_SIZES.length]!;
      const members = order.slice(from, from + size);
      from += size;
      await makeRoom(
        server,
        members.map(({ user }) => user),
      );
      for (const a of members) for (const b of members) a.mates.add(b);
    }
  }
}

function byStride(clients: readonly SoakClient[]): (a: SoakClient, b: SoakClient) => number {
  const place = new Map(clients.map((client, i) => [client, (i * 7919) % clients.length]));
  return (a, b) => place.get(a)! - place.get(b)!;
}

function countMissed(clients: readonly SoakClient[]): number {
  let missed = 0;
  for (const client of clients) {
    for (const mate of client.mates) {
      if (mate.status !== '' && client.seen.get(mate.user.userId) !== mate.status) missed += 1;
    }
  }
  return missed;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
