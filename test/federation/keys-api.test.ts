/**
 * The key endpoints over real sockets; other servers are played.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { RecordingLogger } from '../../src/adapters/memory/logger.ts';
import { ManualClock } from '../../src/adapters/memory/manual-clock.ts';
import { MemoryMetrics } from '../../src/adapters/memory/metrics.ts';
import { MemoryPeerKeyStore } from '../../src/adapters/memory/peer-key-store.ts';
import { KeyNotary } from '../../src/federation/keys/key-notary.ts';
import { KeyRing } from '../../src/federation/keys/key-ring.ts';
import { OwnKeys } from '../../src/federation/keys/own-keys.ts';
import { verifyJson } from '../../src/federation/signing/verify-json.ts';
import { getServerKey } from '../../src/http/federation-api/getServerKey.ts';
import { keyQuery } from '../../src/http/federation-api/keyQuery.ts';
import { createHttpServer, type HttpServer } from '../../src/http/http-server.ts';
import { FakePeers, keyOf, PublishingServer } from '../support/fake-peers.ts';

const DAY = 86_400_000;
const US = 'us.example';
const own = keyOf('us', 'us');
const open: HttpServer[] = [];
afterEach(async () => {
  for (const http of open.splice(0)) await http.close(0);
});

interface Answer {
  readonly httpStatus: number;
  readonly type: string | null;
  readonly body: { server_keys: { server_name: string }[] } & Record<string, unknown>;
}

async function start() {
  const clock = new ManualClock();
  const peers = new FakePeers();
  const logger = new RecordingLogger();
  const metrics = new MemoryMetrics();
  const shared = { serverName: US, clock, logger, metrics };
  const ring = new KeyRing({
    ...shared,
    own: [own],
    store: new MemoryPeerKeyStore(),
    client: peers,
    trustedKeyServers: [],
  });
  const ownKeys = new OwnKeys({ ...shared, keys: [own], oldKeys: new Map(), refreshIntervalMs: DAY });
  const notary = new KeyNotary({ ...shared, ring, ownKeys });
  const http = createHttpServer({
    listeners: (['federation', 'client'] as const).map((resource) => ({
      port: 0,
      bindAddresses: ['127.0.0.1'],
      tls: false,
      xForwarded: false,
      resources: [resource],
    })),
    routes: [...getServerKey({ ownKeys }), ...keyQuery({ notary })],
    authenticate: () => {
      throw new Error('nobody is authenticated here');
    },
    limits: { maxRequestBytes: 1_000_000 },
    metrics,
    logger,
  });
  open.push(http);
  const [federation, client] = (await http.listen()).map(({ port }) => `http://127.0.0.1:${port}/_matrix/key/v2`);
  const ask = async (path: string, body?: unknown, base = federation): Promise<Answer> => {
    const init = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
    const response = await fetch(`${base}${path}`, init);
    const type = response.headers.get('content-type');
    return { httpStatus: response.status, type, body: (await response.json()) as Answer['body'] };
  };
  const query = async (servers: Record<string, unknown>) => {
    const { httpStatus, body } = await ask('/query', { server_keys: servers });
    expect(httpStatus).toBe(200);
    return body.server_keys;
  };
  const publish = (name: string) => {
    const server = new PublishingServer(name, clock);
    peers.answer(name, () => server.document());
    return server;
  };
  return { ask, query, publish, peers, clock, client, ring };
}

describe('GET /_matrix/key/v2/server', () => {
  it('answers with our keys, signed by us, on listeners for servers only', async () => {
    const { ask, clock, client } = await start();
    const { httpStatus, type, body } = await ask('/server');
    expect([httpStatus, type]).toEqual([200, 'application/json']);
    expect(body).toMatchObject({
      server_name: US,
      valid_until_ts: clock.now() + DAY,
      verify_keys: { [own.keyId]: { key: own.publicKey } },
      old_verify_keys: {},
    });
    expect(verifyJson(body, US, own.keyId, own.publicKey)).toBe(true);
    expect((await ask(`/server/${own.keyId}`)).body).toEqual(body);
    expect((await ask('/server', undefined, client)).httpStatus).toBe(404);
  });
});

describe('POST /_matrix/key/v2/query', () => {
  it('answers for others and for ourselves, signed by them and by us', async () => {
    const { query, publish } = await start();
    const peer = publish('peer.example');
    const documents = await query({ 'peer.example': {}, [US]: { 'ed25519:x': {} }, 'gone.example': {} });
    expect(documents.map((document) => document.server_name)).toEqual(['peer.example', US]);
    const [document] = documents;
    expect(verifyJson(document, 'peer.example', 'ed25519:a', peer.keys[0]?.publicKey ?? '')).toBe(true);
    expect(verifyJson(document, US, own.keyId, own.publicKey)).toBe(true);
  });

  it('answers what our own key ring believes', async () => {
    const { query, publish, ring, peers, clock } = await start();
    const peer = publish('peer.example');
    // A second server of ours asks the first as its key server, because the origin does not answer.
    const [document] = await query({ 'peer.example': {} });
    const others = new FakePeers();
    others.answer(US, { server_keys: [document] });
    const second = new KeyRing({
      serverName: 'second.example',
      own: [],
      store: new MemoryPeerKeyStore(),
      client: others,
      clock,
      logger: new RecordingLogger(),
      metrics: new MemoryMetrics(),
      trustedKeyServers: [{ serverName: US, verifyKeys: { [own.keyId]: own.publicKey }, acceptKeysInsecurely: false }],
    });
    expect(await second.find('peer.example', 'ed25519:a')).toMatchObject({ publicKey: peer.keys[0]?.publicKey });
    expect(await ring.find('peer.example', 'ed25519:a')).toEqual(await second.find('peer.example', 'ed25519:a'));
    expect(peers.asked('peer.example')).toBe(1);
  });

  it('answers again without asking, and takes the latest of the times that are given', async () => {
    const { query, publish, peers, clock } = await start();
    publish('peer.example');
    for (let i = 0; i < 5; i += 1) expect(await query({ 'peer.example': {} })).toHaveLength(1);
    expect(peers.requests).toHaveLength(1);
    await clock.advance(60_000);
    const at = (ts: number) => ({ minimum_valid_until_ts: ts });
    await query({ 'peer.example': { 'ed25519:a': at(clock.now()), 'ed25519:b': at(1), 'ed25519:c': {} } });
    expect(peers.requests).toHaveLength(1);
    await query({ 'peer.example': { 'ed25519:a': at(1), 'ed25519:b': at(clock.now() + DAY) } });
    expect(peers.requests).toHaveLength(2);
  });

  it('lets strangers cause twenty fetches, and then one a second', async () => {
    const { query, publish, peers, clock } = await start();
    const names = Array.from({ length: 60 }, (_, i) => `s${i}.example`);
    for (const name of names) publish(name);
    const askFor = (from: number, to: number) =>
      query(Object.fromEntries(names.slice(from, to).map((name) => [name, {}])));
    expect(await askFor(0, 20)).toHaveLength(20);
    expect(await askFor(20, 40)).toHaveLength(0);
    await clock.advance(3_000);
    expect(await askFor(20, 40)).toHaveLength(3);
    // What is known is told all the same.
    expect(await askFor(0, 20)).toHaveLength(20);
    await clock.advance(3_600_000);
    expect(await askFor(40, 60)).toHaveLength(20);
    expect(await askFor(23, 40)).toHaveLength(0);
    expect(peers.requests).toHaveLength(43);
  });

  it('does not ask a server that is gone for each question', async () => {
    const { query, peers, clock } = await start();
    for (let i = 0; i < 100; i += 1) {
      expect(await query({ 'gone.example': {} })).toEqual([]);
      await clock.advance(1_000);
    }
    expect(peers.requests.length).toBeLessThanOrEqual(5);
  });

  it('takes twenty servers and hundred keys each, and no more', async () => {
    const { ask, query } = await start();
    const record = (count: number, name: (i: number) => string) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [name(i), {}]));
    const servers = (count: number) => record(count, (i) => `s${i}.example`);
    const keys = (count: number) => ({ [US]: record(count, (i) => `ed25519:${i}`) });
    expect(await query(servers(20))).toEqual([]);
    expect(await query(keys(100))).toHaveLength(1);
    for (const server_keys of [servers(21), keys(101)]) {
      const { httpStatus, body } = await ask('/query', { server_keys });
      expect([httpStatus, body['errcode']]).toEqual([400, 'M_INVALID_PARAM']);
    }
  });

  it.each([
    [{}, 'M_MISSING_PARAM'],
    [{ server_keys: [] }, 'M_BAD_JSON'],
    [{ server_keys: { 'peer.example': [] } }, 'M_BAD_JSON'],
    [{ server_keys: { 'peer.example': { 'ed25519:a': 5 } } }, 'M_BAD_JSON'],
    [{ server_keys: { 'peer.example': { 'ed25519:a': { minimum_valid_until_ts: 'x' } } } }, 'M_BAD_JSON'],
    [{ server_keys: { 'not a server': {} } }, 'M_INVALID_PARAM'],
    [{ server_keys: { __proto__x: {} } }, 'M_INVALID_PARAM'],
    [[], 'M_BAD_JSON'],
  ])('refuses %j', async (body, errcode) => {
    const { ask, peers } = await start();
    const answer = await ask('/query', body);
    expect([answer.httpStatus, answer.body['errcode']]).toEqual([400, errcode]);
    expect(peers.requests).toEqual([]);
  });

  it('answers an empty question', async () => {
    const { query } = await start();
    expect(await query({})).toEqual([]);
  });
});

describe('GET /_matrix/key/v2/query/{serverName}', () => {
  it('answers for one server', async () => {
    const { ask, publish, peers } = await start();
    publish('peer.example:8448');
    for (const path of ['/query/peer.example:8448', '/query/peer.example%3A8448/ed25519:a?minimum_valid_until_ts=5']) {
      const { httpStatus, body } = await ask(path);
      expect(httpStatus).toBe(200);
      expect(body.server_keys).toMatchObject([{ server_name: 'peer.example:8448' }]);
    }
    expect(peers.requests).toHaveLength(1);
    expect((await ask(`/query/${US}`)).body.server_keys).toMatchObject([{ server_name: US }]);
    expect((await ask('/query/gone.example')).body).toEqual({ server_keys: [] });
  });

  it('refuses what is no server, or no time', async () => {
    const { ask } = await start();
    for (const path of ['/query/a%2Fb', '/query/peer.example?minimum_valid_until_ts=soon']) {
      const { httpStatus, body } = await ask(path);
      expect([httpStatus, body['errcode']]).toEqual([400, 'M_INVALID_PARAM']);
    }
  });
});
