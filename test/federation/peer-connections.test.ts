/**
 * Connections to other servers: used again, few, closed when idle, repeated when stale; and every wait has an end.
 */
import type { ServerResponse } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSystemClock } from '../../src/adapters/system-clock.ts';
import type { Clock } from '../../src/ports/clock.ts';
import { failureOf, get, type PeerClientFixture, startPeerClientFixture } from '../support/peer-client-fixture.ts';
import { answerJson, type SeenRequest } from '../support/peer-server.ts';
import { until } from '../support/until.ts';

let fixture: PeerClientFixture;
beforeEach(async () => {
  fixture = await startPeerClientFixture();
});
afterEach(async () => fixture[Symbol.asyncDispose]());

const connections = () => fixture.metrics.value('thalamus_federation_client_connections');
const openRequests = () => fixture.metrics.value('thalamus_federation_client_open_requests');

/** Answers only when told to. */
async function serveHeld(name = 'one.test', address = '127.0.0.1') {
  const held: ServerResponse[] = [];
  const server = await fixture.serve(
    { dnsNames: [name], ips: [address] },
    { address, answer: (_request, response) => void held.push(response) },
  );
  return { server, held };
}

/** Speaks TCP, and no more. */
async function listenTcp(
  onConnection: (socket: Socket) => void,
): Promise<{ port: number; server: Server } & AsyncDisposable> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    server,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

describe('requests', () => {
  it('arrive as they were given, with the headers that they need', async () => {
    const server = await fixture.serve({ ips: ['127.0.0.1'] });
    const name = `127.0.0.1:${server.port}`;
    const client = fixture.client({ userAgent: 'Thalamus/1.2' });
    const body = '{"edus":["ü"]}';
    await get(client, name, {
      method: 'PUT',
      uri: '/_matrix/federation/v1/send/1?a=%20b',
      body,
      headers: { authorization: 'X-Matrix origin=a' },
    });
    await get(client, name);
    const [put, got] = server.seen;
    expect(put).toMatchObject({ method: 'PUT', url: '/_matrix/federation/v1/send/1?a=%20b', body });
    expect(put?.headers).toMatchObject({
      authorization: 'X-Matrix origin=a',
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(body)),
      'user-agent': 'Thalamus/1.2',
    });
    expect(got?.headers['content-type']).toBeUndefined();
  });

  it('end with any answer, and with what it says about when to come again', async () => {
    const answers: [number, Record<string, string>][] = [
      [429, { 'retry-after': '7' }],
      [503, { 'retry-after': new Date(Date.now() + 60_000).toUTCString() }],
      [502, { 'retry-after': 'soon' }],
      [401, {}],
    ];
    const server = await fixture.serve(
      { ips: ['127.0.0.1'] },
      {
        answer: (_request, response) =>
          answerJson(response, answers[0]?.[0] ?? 200, { errcode: 'M_X' }, answers.shift()?.[1]),
      },
    );
    const client = fixture.client();
    const name = `127.0.0.1:${server.port}`;
    expect(await get(client, name)).toEqual({ httpStatus: 429, retryAfterMs: 7000, body: '{"errcode":"M_X"}' });
    const later = await get(client, name);
    expect(later.retryAfterMs).toBeGreaterThan(50_000);
    expect(later.retryAfterMs).toBeLessThanOrEqual(60_000);
    expect(await get(client, name)).toMatchObject({ httpStatus: 502, retryAfterMs: null });
    expect(await get(client, name)).toMatchObject({ httpStatus: 401, retryAfterMs: null });
  });

  it.each([
    ['a length that is announced', { 'content-length': '2000' }],
    ['a length that is not', {}],
  ])('do not take an answer that is too large: %s', async (_what, headers) => {
    const server = await fixture.serve(
      { ips: ['127.0.0.1'] },
      { answer: (_request, response) => void response.writeHead(200, headers).end('x'.repeat(2000)) },
    );
    const name = `127.0.0.1:${server.port}`;
    const client = fixture.client();
    const failure = await failureOf(get(client, name, { maxResponseBytes: 1999 }));
    expect(failure.kind).toBe('too_large');
    expect(failure.message).toMatch(
      /^127\.0\.0\.1:\d+: its answer is longer than 1999 bytes \(127\.0\.0\.1 port \d+\)$/,
    );
    expect((await get(client, name, { maxResponseBytes: 2000 })).body.length).toBe(2000);
  });

  it('do not wait for an answer that announces more than is taken', async () => {
    const server = await fixture.serve(
      { ips: ['127.0.0.1'] },
      { answer: (_request, response) => response.writeHead(200, { 'content-length': '2000' }).flushHeaders() },
    );
    const failure = await failureOf(get(fixture.client(), `127.0.0.1:${server.port}`, { maxResponseBytes: 1999 }));
    expect(failure.kind).toBe('too_large');
  });

  it('do not take a head that is too large', async () => {
    const server = await fixture.serve(
      { ips: ['127.0.0.1'] },
      { answer: (_request, response) => void response.writeHead(200, { 'x-long': 'x'.repeat(40_000) }).end() },
    );
    expect((await failureOf(get(fixture.client(), `127.0.0.1:${server.port}`))).kind).toBe('too_large');
  });
});

describe('connections', () => {
  it('are used again', async () => {
    const server = await fixture.serve({ ips: ['127.0.0.1'] });
    const client = fixture.client();
    for (let i = 0; i < 5; i++) await get(client, `127.0.0.1:${server.port}`);
    expect(server.seen.map(({ connection }) => connection)).toEqual([1, 1, 1, 1, 1]);
    expect(connections()).toBe(1);
  });

  it('are few for one server: further requests wait their turn', async () => {
    const { server, held } = await serveHeld();
    const client = fixture.client({ limits: { maxConnectionsPerServer: 2 } });
    const all = Array.from({ length: 6 }, () => get(client, `127.0.0.1:${server.port}`));
    for (let answered = 0; answered < 6; answered++) {
      await until(() => held.length > 0);
      expect(server.open).toBeLessThanOrEqual(2);
      answerJson(held.shift() ?? raise(), 200, {});
    }
    await Promise.all(all);
    expect(server.connections).toBe(2);
  });

  it('are closed after a while without a request, and nothing of the server stays', async () => {
    const server = await fixture.serve({ ips: ['127.0.0.1'] });
    const client = fixture.client({ limits: { idleMs: 50 } });
    await get(client, `127.0.0.1:${server.port}`);
    await until(() => connections() === 0 && server.open === 0);
    await get(client, `127.0.0.1:${server.port}`);
    expect(server.connections).toBe(2);
  });

  it('are limited in all: the server that has been idle longest gives up its own', async () => {
    const servers = await Promise.all(
      [1, 2, 3].map((last) => fixture.serve({ ips: [`127.0.0.${last}`] }, { address: `127.0.0.${last}` })),
    );
    const [one, two, three] = servers.map((server, index) => ({ server, name: `127.0.0.${index + 1}:${server.port}` }));
    if (one === undefined || two === undefined || three === undefined) throw new Error('three servers');
    const client = fixture.client({ limits: { maxConnections: 2 } });
    await get(client, one.name);
    await get(client, two.name);
    await get(client, one.name);
    await get(client, three.name);
    await until(() => two.server.open === 0);
    expect([one.server.open, three.server.open]).toEqual([1, 1]);
    expect(connections()).toBe(2);
  });

  it('are waited for when all are in use, and the wait has an end', async () => {
    const { server, held } = await serveHeld('one.test', '127.0.0.2');
    const other = await fixture.serve({ ips: ['127.0.0.1'] });
    const client = fixture.client({ limits: { maxConnections: 1, connectTimeoutMs: 300 } });
    const first = get(client, `127.0.0.2:${server.port}`);
    await until(() => held.length === 1);
    const failure = await failureOf(get(client, `127.0.0.1:${other.port}`));
    expect(failure).toMatchObject({ kind: 'busy' });
    expect(failure.message).toContain('all 1 connections to other servers are in use');
    const second = get(client, `127.0.0.1:${other.port}`);
    await until(() => openRequests() === 2);
    answerJson(held[0] ?? raise(), 200, {});
    await first;
    await second;
    expect(other.seen.length).toBe(1);
  });

  it('lead to where the server is now, when it has moved; what is under way there may finish', async () => {
    const { server: before, held } = await serveHeld();
    const after = await fixture.serve({ dnsNames: ['one.test'] });
    fixture.dns.set('one.test', { A: ['127.0.0.1'] });
    fixture.dns.set('_matrix-fed._tcp.one.test', { SRV: [{ name: 'one.test', port: before.port }] });
    const system = createSystemClock();
    let later = 0;
    const clock: Clock = { ...system, now: () => system.now() + later };
    const client = fixture.client({ clock, limits: { maxConnectionsPerServer: 2 } });
    const first = get(client, 'one.test');
    const second = get(client, 'one.test');
    await until(() => held.length === 2);
    answerJson(held[0] ?? raise(), 200, {});
    await Promise.race([first, second]);
    fixture.dns.set('_matrix-fed._tcp.one.test', { SRV: [{ name: 'one.test', port: after.port }] });
    later = 300_000;
    await get(client, 'one.test');
    expect([before.seen.length, after.seen.length]).toEqual([2, 1]);
    // The idle connection is closed at once, the other one after its request.
    await until(() => before.open === 1);
    answerJson(held[1] ?? raise(), 200, {});
    await Promise.all([first, second]);
    await until(() => before.open === 0 && connections() === 1);
  });

  it('are given up when they fail, and with them everything that is kept of a server', async () => {
    const client = fixture.client();
    expect((await failureOf(get(client, '127.0.0.1:1'))).message).toBe(
      '127.0.0.1:1: 127.0.0.1:1 refused the connection',
    );
    expect(connections()).toBe(0);
    expect(openRequests()).toBe(0);
  });

  it('that the other side has closed meanwhile are replaced, without anybody noticing', async () => {
    const server = await fixture.serve({ ips: ['127.0.0.1'] });
    const client = fixture.client();
    for (let i = 0; i < 20; i++) {
      await get(client, `127.0.0.1:${server.port}`);
      // The end of the connection and the next request cross each other.
      server.drop();
    }
    expect(server.connections).toBe(20);
  });

  it('that break at the first request are a failure, and so is one that breaks within the answer', async () => {
    let requests = 0;
    const dropping = await fixture.serve(
      { ips: ['127.0.0.1'] },
      {
        answer: (_request: SeenRequest, response) => {
          requests++;
          response.socket?.destroy();
        },
      },
    );
    const failure = await failureOf(get(fixture.client(), `127.0.0.1:${dropping.port}`));
    expect(failure.kind).toBe('unreachable');
    expect(failure.message).toContain('the connection broke before it answered');
    expect(requests).toBe(1);

    let isBreaking = false;
    const breaking = await fixture.serve(
      { ips: ['127.0.0.1'] },
      {
        answer: (_request, response) => {
          if (!isBreaking) return answerJson(response, 200, {});
          response.writeHead(200, { 'content-length': '100' });
          response.write('{', () => response.socket?.destroy());
        },
      },
    );
    const client = fixture.client();
    const name = `127.0.0.1:${breaking.port}`;
    await get(client, name);
    isBreaking = true;
    for (let i = 0; i < 2; i++) {
      expect((await failureOf(get(client, name))).message).toContain(
        'the connection broke in the middle of its answer',
      );
    }
    expect(breaking.seen.length).toBe(3);
  });
});

describe('limits', () => {
  it('refuses requests beyond those that may be open to one server, and in all', async () => {
    const { server, held } = await serveHeld();
    const client = fixture.client({ limits: { maxRequestsPerServer: 3, maxRequests: 4 } });
    const name = `127.0.0.1:${server.port}`;
    const open = [1, 2, 3].map(() => get(client, name).catch(() => null));
    const failure = await failureOf(get(client, name));
    expect(failure).toMatchObject({ kind: 'busy', message: `${name}: 3 requests to it are open already` });
    open.push(get(client, `localhost:${server.port}`).catch(() => null));
    expect((await failureOf(get(client, 'one.test'))).message).toBe(
      'one.test: 4 requests to other servers are open already',
    );
    expect(fixture.metrics.value('thalamus_federation_client_requests', { outcome: 'busy' })).toBe(2);
    const answering = setInterval(() => held.splice(0).forEach((response) => answerJson(response, 200, {})), 5);
    await Promise.all(open);
    clearInterval(answering);
    expect(openRequests()).toBe(0);
  });

  it('refuses bodies beyond the bytes that may wait', async () => {
    const { server, held } = await serveHeld();
    const client = fixture.client({ limits: { maxBytes: 1000 } });
    const name = `127.0.0.1:${server.port}`;
    const put = { method: 'PUT', body: `"${'ü'.repeat(300)}"` } as const;
    const first = get(client, name, put);
    expect((await failureOf(get(client, name, put))).message).toContain('602 bytes wait to be sent');
    await until(() => held.length === 1);
    answerJson(held[0] ?? raise(), 200, {});
    await first;
    const second = get(client, name, put);
    await until(() => held.length === 2);
    answerJson(held[1] ?? raise(), 200, {});
    await second;
  });
});

describe('deadlines', () => {
  it('ends with a server that takes the request and says nothing', async () => {
    const { server } = await serveHeld();
    const failure = await failureOf(get(fixture.client(), `127.0.0.1:${server.port}`, { timeoutMs: 150 }));
    expect(failure.kind).toBe('timeout');
    expect(failure.message).toBe(
      `127.0.0.1:${server.port}: the server at 127.0.0.1 port ${server.port} did not answer within 150 ms`,
    );
    await until(() => server.open === 0 && connections() === 0);
  });

  it('ends while the request waits for its turn, and then it is never sent', async () => {
    const { server, held } = await serveHeld();
    const client = fixture.client({ limits: { maxConnectionsPerServer: 1 } });
    const name = `127.0.0.1:${server.port}`;
    const first = get(client, name, { uri: '/first' });
    await until(() => held.length === 1);
    const failure = await failureOf(get(client, name, { uri: '/second', timeoutMs: 100 }));
    expect(failure.message).toContain('became free within 100 ms');
    const third = get(client, name, { uri: '/third' });
    answerJson(held[0] ?? raise(), 200, {});
    await first;
    await until(() => held.length === 2);
    answerJson(held[1] ?? raise(), 200, {});
    await third;
    expect(server.seen.map(({ url }) => url)).toEqual(['/first', '/third']);
  });

  it('ends with a server that never finishes', async () => {
    const server = await fixture.serve(
      { ips: ['127.0.0.1'] },
      { answer: (_request, response) => void response.writeHead(200).write('{') },
    );
    const failure = await failureOf(get(fixture.client(), `127.0.0.1:${server.port}`, { timeoutMs: 150 }));
    expect(failure.message).toContain('did not finish its answer within 150 ms');
    await until(() => server.open === 0);
  });

  it('ends with a server that does not shake hands', async () => {
    await using silent = await listenTcp(() => undefined);
    const client = fixture.client({ limits: { connectTimeoutMs: 100 } });
    const failure = await failureOf(get(client, `127.0.0.1:${silent.port}`));
    expect(failure.kind).toBe('timeout');
    expect(failure.message).toContain(`127.0.0.1:${silent.port} did not finish the TLS handshake within 100 ms`);
    expect(connections()).toBe(0);
  });

  it('ends with a server that hangs up during the handshake', async () => {
    await using rude = await listenTcp((socket) => socket.once('data', () => socket.resetAndDestroy()));
    const failure = await failureOf(get(fixture.client(), `127.0.0.1:${rude.port}`));
    expect(failure.kind).toBe('unreachable');
    expect(failure.message).toContain('hung up during the TLS handshake');
  });

  it('ends with a name that the DNS is silent about, within the time of the request', async () => {
    fixture.dns.set('one.test', { fault: 'silent' });
    const failure = await failureOf(get(fixture.client(), 'one.test:8448', { timeoutMs: 100 }));
    expect(failure.kind).toBe('timeout');
  });

  it('counts the time spent on finding, and sends nothing afterwards', async () => {
    const server = await fixture.serve({ dnsNames: ['one.test'] });
    fixture.dns.set('one.test', { A: ['127.0.0.1'] });
    fixture.dns.set('_matrix-fed._tcp.one.test', { fault: 'silent' });
    const client = fixture.client({ ports: { https: 1, federation: server.port }, limits: { dnsTimeoutMs: 300 } });
    const patient = get(client, 'one.test', { uri: '/patient' });
    const failure = await failureOf(get(client, 'one.test', { timeoutMs: 100 }));
    expect(failure.message).toBe('one.test: it was not found within 100 ms (DNS and .well-known)');
    await patient;
    await get(client, 'one.test', { uri: '/later' });
    expect(server.seen.map(({ url }) => url)).toEqual(['/patient', '/later']);
  });

  it('lets others through while one server hangs', async () => {
    const { server } = await serveHeld('one.test', '127.0.0.2');
    const other = await fixture.serve({ ips: ['127.0.0.1'] });
    const client = fixture.client();
    const hanging = Array.from({ length: 5 }, () =>
      failureOf(get(client, `127.0.0.2:${server.port}`, { timeoutMs: 1000 })),
    );
    await get(client, `127.0.0.1:${other.port}`, { timeoutMs: 900 });
    expect((await Promise.all(hanging)).map(({ kind }) => kind)).toEqual(Array(5).fill('timeout'));
  });
});

describe('giving up', () => {
  it('ends a request when its caller does, wherever it is', async () => {
    const { server, held } = await serveHeld();
    const client = fixture.client();
    const controller = new AbortController();
    const request = failureOf(get(client, `127.0.0.1:${server.port}`, { signal: controller.signal }));
    await until(() => held.length === 1);
    controller.abort();
    expect((await request).kind).toBe('closed');
    expect((await failureOf(get(client, `127.0.0.1:${server.port}`, { signal: controller.signal }))).kind).toBe(
      'closed',
    );
    await until(() => server.open === 0);
    expect(openRequests()).toBe(0);
  });

  it('ends everything on close: requests, handshakes, look-ups and connections', async () => {
    const { server, held } = await serveHeld();
    await using silent = await listenTcp(() => undefined);
    fixture.dns.set('one.test', { fault: 'silent' });
    const idle = await fixture.serve({ ips: ['127.0.0.1'] });
    const client = fixture.client();
    await get(client, `127.0.0.1:${idle.port}`);
    const open = [`127.0.0.1:${server.port}`, `127.0.0.1:${silent.port}`, 'one.test:8448', 'one.test'].map((name) =>
      failureOf(get(client, name)),
    );
    await until(() => held.length === 1 && connections() >= 3);
    await client.close();
    expect((await Promise.all(open)).map(({ kind }) => kind)).toEqual(['closed', 'closed', 'closed', 'closed']);
    await until(() => server.open === 0 && idle.open === 0);
    expect((await failureOf(get(client, `127.0.0.1:${idle.port}`))).message).toContain('this server is stopping');
    await client.close();
  });
});

function raise(): never {
  throw new Error('nothing is held');
}
