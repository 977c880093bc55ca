/**
 * States received per CPU-second: other servers put signed transactions, each when the one before is answered, which is when it is durable.
 *
 * A module names ten local users for every state. Everything is signed before the clock runs. The hub gets the same requests.
 */
import { fileURLToPath } from 'node:url';
import { openDatabase } from '../../src/adapters/sqlite/database.ts';
import { SqlitePeerKeyStore } from '../../src/adapters/sqlite/peer-key-store.ts';
import { RecordingLogger } from '../../src/adapters/memory/logger.ts';
import { presenceEdu, transactionBody } from '../../src/federation/sending/render-transaction.ts';
import { authorizationHeader } from '../../src/federation/signing/authorization.ts';
import { freePort } from '../../test/support/free-port.ts';
import type { MeasuredProcess } from '../load/child-process.ts';
import { type LoadUser, nextBatch } from '../load/closed-loop.ts';
import { RawClient } from '../load/raw-client.ts';
import { startThalamus } from '../load/thalamus.ts';
import { median } from '../row.ts';
import { startHub } from './child-ports.ts';
import { LIVE_DOMAIN, type Material, MEASURED_NAME, signingKeyNumber, trustingConfig } from './material.ts';

export interface ReceivingScenario {
  /** In one transaction. */
  readonly states: number;
  readonly transactions: number;
}

export interface ReceivingResult {
  readonly hub: number;
  /** Nobody here is connected. */
  readonly alone: number;
  /** The ten local users long-poll. */
  readonly watched: number;
}

const ROUTER = fileURLToPath(new URL('router.ts', import.meta.url));
const ORIGINS = 8;
const USERS_PER_ORIGIN = 250;
const READERS = 10;
/** For what goes on after the answer: the module, and the readers' polls. */
const SETTLE_MS = 500;
const DAY_MS = 86_400_000;
const LIMITLESS = 1_000_000;

export async function measureReceiving(
  material: Material,
  scenario: ReceivingScenario,
  runs: number,
): Promise<ReceivingResult> {
  const hub = await startHub('receive', material, [String(ORIGINS)]);
  const alone = await startReceiver(material);
  const watched = await startReceiver(material);
  const figures = { hub: [] as number[], alone: [] as number[], watched: [] as number[] };
  const polling = new AbortController();
  const readers = watched.users.map((user) => pollForEver(watched.process.port, user, polling.signal));
  for (let run = -1; run < runs; run += 1) {
    // The first run only warms up: everybody is there afterwards.
    const requests = signTransactions(
      scenario,
      run === -1 ? Math.max(scenario.transactions / 2, EVERYBODY) : scenario.transactions,
    );
    const measured = {
      hub: await measure(hub, hub.port, material, requests),
      alone: await measure(alone.process, alone.federationPort, material, requests),
      watched: await measure(watched.process, watched.federationPort, material, requests),
    };
    if (run === -1) continue;
    for (const name of ['hub', 'alone', 'watched'] as const) {
      figures[name].push((scenario.transactions * scenario.states * 1000) / measured[name]);
    }
  }
  for (const server of [alone, watched]) await checkLastState(server.process.port, server.users[0]!);
  polling.abort();
  await Promise.all(readers);
  await Promise.all([hub.stop(), alone.stop(), watched.stop()]);
  return { hub: median(figures.hub), alone: median(figures.alone), watched: median(figures.watched) };
}

/** Transactions of one state until everybody has been told of. */
const EVERYBODY = ORIGINS * USERS_PER_ORIGIN;

async function startReceiver(material: Material) {
  const federationPort = await freePort();
  const readers = Array.from({ length: READERS }, (_, i) => `@user-${String(i).padStart(6, '0')}:${MEASURED_NAME}`);
  const limits = { strangers_asked_per_second_and_server: LIMITLESS, strangers_asked_per_second: LIMITLESS };
  const thalamus = await startThalamus({
    users: READERS,
    modules: [{ module: ROUTER, config: { groups: [], readers } }],
    listeners: [
      { port: federationPort, tls: true, bind_addresses: ['127.0.0.1'], resources: [{ names: ['federation'] }] },
    ],
    config: {
      ...trustingConfig(material),
      federation_presence: { ...limits, max_strangers_per_server: LIMITLESS, max_strangers: LIMITLESS },
      rc_federation: { sleep_limit: 100_000, reject_limit: 1000 },
    },
    seed: seedKeys,
  });
  return { ...thalamus, federationPort };
}

/** As if they had been fetched before. */
async function seedKeys(databasePath: string): Promise<void> {
  const db = openDatabase({ path: databasePath, logger: new RecordingLogger() });
  const now = Date.now();
  await new SqlitePeerKeyStore(db).save(
    Array.from({ length: ORIGINS }, (_, i) => {
      const { keyId, publicKey } = signingKeyNumber(i);
      return { serverName: originName(i), keyId, publicKey, validUntilTs: now + DAY_MS, fetchedTs: now };
    }),
  );
  db.close();
}

function originName(origin: number): string {
  return `origin-${origin}.${LIVE_DOMAIN}`;
}

/** Goes on over all runs. */
let transactionsSigned = 0;

/** Requests by origin, ready to be written. Every state is a change worth telling. */
function signTransactions({ states }: ReceivingScenario, count: number): string[][] {
  const requests = Array.from({ length: ORIGINS }, () => [] as string[]);
  for (let i = 0; i < count; i += 1) {
    const number = (transactionsSigned += 1);
    const origin = i % ORIGINS;
    const first = Math.floor(i / ORIGINS) * states;
    const entries = Array.from(
      { length: states },
      (_, k) =>
        `{"currently_active":true,"last_active_ago":12,"presence":"online","status_msg":"change number ${number}","user_id":"@user-${(first + k) % USERS_PER_ORIGIN}:${originName(origin)}"}`,
    );
    const body = transactionBody(originName(origin), Date.now(), presenceEdu(entries.join(',')));
    const uri = `/_matrix/federation/v1/send/${number}`;
    const authorization = authorizationHeader({
      method: 'PUT',
      uri,
      origin: originName(origin),
      destination: MEASURED_NAME,
      contentText: body,
      key: signingKeyNumber(origin),
    });
    requests[origin]!.push(
      `PUT ${uri} HTTP/1.1\r\nHost: ${MEASURED_NAME}\r\nAuthorization: ${authorization}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
  }
  return requests;
}

/** CPU time in ms. */
async function measure(
  server: MeasuredProcess,
  port: number,
  { ca }: Material,
  requests: readonly (readonly string[])[],
): Promise<number> {
  const clients = await Promise.all(
    requests.map(() => RawClient.open(port, '127.0.0.1', { ca, servername: MEASURED_NAME })),
  );
  const cpuBefore = server.cpuMs();
  await Promise.all(
    requests.map(async (ofOrigin, origin) => {
      for (const request of ofOrigin) {
        const answer = await clients[origin]!.send(request);
        if (answer.body !== '{"pdus":{}}')
          throw new Error(`a transaction was answered ${answer.status}: ${answer.body}`);
      }
    }),
  );
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const cpuMs = server.cpuMs() - cpuBefore;
  for (const client of clients) client.close();
  return cpuMs;
}

async function pollForEver(port: number, { token }: LoadUser, signal: AbortSignal): Promise<void> {
  const client = await RawClient.open(port);
  signal.addEventListener('abort', () => client.close());
  let since = '';
  while (!signal.aborted) {
    const path = `/_matrix/client/v3/sync?timeout=30000${since}`;
    const answer = await client.request('GET', path, token).catch(() => null);
    if (answer === null) return;
    if (answer.status !== 200) throw new Error(`sync answered ${answer.status}: ${answer.body}`);
    since = `&since=${nextBatch(answer.body)}`;
  }
}

/** What was measured was taken in: a reader sees somebody of the last server as they were told of last. */
async function checkLastState(port: number, { token }: LoadUser): Promise<void> {
  const client = await RawClient.open(port);
  const userId = encodeURIComponent(`@user-0:${originName(ORIGINS - 1)}`);
  const answer = await client.request('GET', `/_matrix/client/v3/presence/${userId}/status`, token);
  client.close();
  if (!answer.body.includes('change number'))
    throw new Error(`states were not taken in: ${answer.status} ${answer.body}`);
}
