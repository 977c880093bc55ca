import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { defaultMaxConnections } from '../../src/http/http-server.ts';
import type { Route } from '../../src/http/route.ts';
import { type HttpFixture, openRaw, type RawConnection, startHttpFixture } from '../support/http-fixture.ts';
import { until } from '../support/until.ts';

const CONNECTIONS = 'thalamus_http_connections';
const REJECTED = 'thalamus_http_rejected_connections_total';
const VERSIONS = 'GET /_matrix/client/versions HTTP/1.1\r\nHost: x\r\n\r\n';

/** A route that answers when the test says so. */
function waitingRoute(): { route: Route; release: () => void; waiting: () => number; aborted: () => number } {
  const releases = new Set<() => void>();
  let aborted = 0;
  return {
    route: {
      method: 'GET',
      path: '/wait',
      versions: ['v3'],
      auth: 'none',
      operationId: 'wait',
      handler: (request) =>
        new Promise((resolve) => {
          const done = (): void => {
            releases.delete(done);
            resolve({ released: true });
          };
          releases.add(done);
          request.signal.addEventListener('abort', () => {
            aborted++;
            done();
          });
        }),
    },
    release: () => {
      for (const release of releases) release();
    },
    waiting: () => releases.size,
    aborted: () => aborted,
  };
}

async function openMany(server: HttpFixture, count: number, text: string): Promise<RawConnection[]> {
  const opened: RawConnection[] = [];
  while (opened.length < count) {
    const batch = Math.min(200, count - opened.length);
    opened.push(...(await Promise.all(Array.from({ length: batch }, () => openRaw(server.port)))));
  }
  for (const connection of opened) connection.write(text);
  return opened;
}

describe('slow clients', () => {
  const deadlines = { headersTimeoutMs: 400, requestTimeoutMs: 800 };

  it('loses a connection whose headers do not come in time, and says 408', async () => {
    await using server = await startHttpFixture({ http: { deadlines } });
    using silent = await openRaw(server.port);
    using half = await openRaw(server.port);
    half.write('GET /_matrix/client/versions HTTP/1.1\r\nHost: x\r\n');
    await half.received(/HTTP\/1\.1 408 .*application\/json.*errcode/s);
    await Promise.all([half.closed, silent.closed]);
    expect(server.metrics.value(REJECTED, { reason: 'timeout' })).toBeGreaterThanOrEqual(1);
  });

  it('loses a connection whose body trickles in, and runs nothing', async () => {
    await using server = await startHttpFixture({ http: { deadlines } });
    const alice = await server.register('alice');
    using slow = await openRaw(server.port);
    slow.write(
      `PUT /_matrix/client/v3/presence/${alice.userId}/status HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n` +
        `Authorization: Bearer ${alice.accessToken}\r\n\r\n{"presence":`,
    );
    const drip = setInterval(() => slow.write(' '), 50);
    await slow.closed;
    clearInterval(drip);
    expect(server.presenceCalls).toEqual([]);
    expect((await alice.request('GET', '/account/whoami')).status).toBe(200);
  });

  it('waits longer than these deadlines for an answer that takes its time', async () => {
    const wait = waitingRoute();
    await using server = await startHttpFixture({ routes: [wait.route], http: { deadlines } });
    using poll = await openRaw(server.port);
    poll.write('GET /_matrix/client/v3/wait HTTP/1.1\r\nHost: x\r\n\r\n');
    await until(() => wait.waiting() === 1);
    using other = await openRaw(server.port);
    other.write('GET / HTTP/1.1\r\n');
    // This one is thrown out by the deadline; the poll is older than it.
    await other.closed;
    wait.release();
    await poll.received(/"released":true/);
  });

  it('tells a waiting handler that its client is gone', async () => {
    const wait = waitingRoute();
    await using server = await startHttpFixture({ routes: [wait.route] });
    using poll = await openRaw(server.port);
    poll.write('GET /_matrix/client/v3/wait HTTP/1.1\r\nHost: x\r\n\r\n');
    await until(() => wait.waiting() === 1);
    poll.socket.destroy();
    await until(() => wait.aborted() === 1);
    expect(wait.waiting()).toBe(0);
    await until(() => server.metrics.value(CONNECTIONS) === 0);
  });

  it('loses a client that does not read its answer, and nobody who reads slowly', async () => {
    const big: Route = {
      method: 'GET',
      path: '/big',
      versions: ['v3'],
      auth: 'none',
      operationId: 'big',
      handler: () => ({ text: 'x'.repeat(20_000_000) }),
    };
    await using server = await startHttpFixture({ routes: [big], http: { deadlines: { slowReaderTimeoutMs: 500 } } });
    const ask = 'GET /_matrix/client/v3/big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
    const stuck = connect(server.port, '127.0.0.1').on('error', () => undefined);
    stuck.pause();
    stuck.write(ask);
    // Takes longer than the deadline in sum, but never so long without reading anything.
    const slow = connect(server.port, '127.0.0.1');
    slow.write(ask);
    let read = 0;
    let gulp = 0;
    slow.on('data', (chunk) => {
      read += chunk.length;
      gulp += chunk.length;
      if (gulp < 2_000_000) return;
      gulp = 0;
      slow.pause();
      setTimeout(() => slow.resume(), 100);
    });
    await new Promise((resolve) => slow.once('close', resolve));
    expect(read).toBeGreaterThan(20_000_000);
    await until(() => server.metrics.value(CONNECTIONS) === 0);
    stuck.destroy();
  });

  it('closes a connection that sends requests ahead without end', async () => {
    const wait = waitingRoute();
    await using server = await startHttpFixture({ routes: [wait.route] });
    using greedy = await openRaw(server.port);
    greedy.write('GET /_matrix/client/v3/wait HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(33));
    await greedy.closed;
    expect(server.metrics.value(REJECTED, { reason: 'pipelining' })).toBe(1);
    await until(() => wait.waiting() === 0);
    expect(wait.aborted()).toBe(32);
  });
});

describe('many connections', () => {
  it('at the limit, the one idle for longest makes room, and those at work stay', async () => {
    const wait = waitingRoute();
    await using server = await startHttpFixture({ routes: [wait.route], http: { maxConnections: 4 } });
    const [one, two] = await openMany(server, 2, 'GET /_matrix/client/v3/wait HTTP/1.1\r\nHost: x\r\n\r\n');
    await until(() => wait.waiting() === 2);
    using oldest = await openRaw(server.port);
    using newer = await openRaw(server.port);
    using fifth = await openRaw(server.port);
    await oldest.closed;
    fifth.write(VERSIONS);
    await fifth.received(/HTTP\/1\.1 200/);
    newer.write(VERSIONS);
    await newer.received(/HTTP\/1\.1 200/);
    expect(server.metrics.value(REJECTED, { reason: 'evicted' })).toBe(1);
    expect(server.metrics.value(CONNECTIONS)).toBe(4);
    wait.release();
    await one?.received(/"released":true/);
    await two?.received(/"released":true/);
    for (const connection of [one, two]) connection?.socket.destroy();
  });

  it('makes room in place of connections that were served and are kept, the first of them first', async () => {
    await using server = await startHttpFixture({ http: { maxConnections: 2 } });
    using one = await openRaw(server.port);
    using two = await openRaw(server.port);
    two.write(VERSIONS);
    await two.received(/HTTP\/1\.1 200/);
    one.write(VERSIONS);
    await one.received(/HTTP\/1\.1 200/);
    using three = await openRaw(server.port);
    await two.closed;
    one.write(VERSIONS);
    await one.received(/HTTP\/1\.1 200.*HTTP\/1\.1 200/s);
    using four = await openRaw(server.port);
    await three.closed;
    four.write(VERSIONS);
    await four.received(/HTTP\/1\.1 200/);
  });

  it('makes room in place of bodies that do not end, too', async () => {
    await using server = await startHttpFixture({ http: { maxConnections: 3 } });
    const post = 'POST /_matrix/client/v3/login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"type":';
    const opened: RawConnection[] = [];
    for (let i = 1; i <= 3; i++) {
      opened.push(...(await openMany(server, 1, post)));
      await until(() => server.metrics.value(CONNECTIONS) === i);
    }
    const [oldest, ...others] = opened;
    using newcomer = await openRaw(server.port);
    newcomer.write(VERSIONS);
    await newcomer.received(/HTTP\/1\.1 200/);
    await oldest?.closed;
    for (const connection of others) {
      connection.write(`"m.login.token"}${' '.repeat(76)}`);
      await connection.received(/HTTP\/1\.1 400 .*M_UNKNOWN/s);
      connection.socket.destroy();
    }
  });

  it('refuses a newcomer when all are at work, and lets one in when a place is free', async () => {
    const wait = waitingRoute();
    await using server = await startHttpFixture({ routes: [wait.route], http: { maxConnections: 2 } });
    const polls = await openMany(server, 2, 'GET /_matrix/client/v3/wait HTTP/1.1\r\nHost: x\r\n\r\n');
    await until(() => wait.waiting() === 2);
    using refused = await openRaw(server.port);
    await refused.closed;
    expect(server.metrics.value(REJECTED, { reason: 'capacity' })).toBe(1);
    polls[0]?.socket.destroy();
    await until(() => server.metrics.value(CONNECTIONS) === 1);
    using welcome = await openRaw(server.port);
    welcome.write(VERSIONS);
    await welcome.received(/HTTP\/1\.1 200/);
    for (const poll of polls) poll.socket.destroy();
  });

  it('ten thousand half-open requests hurt nobody else', { timeout: 120_000 }, async () => {
    // Both ends of every connection are in this process, and it needs some files of its own.
    const files = defaultMaxConnections();
    const count = Math.min(10_000, Math.floor((files - 500) / 2));
    if (count < 10_000) {
      process.stderr.write(
        `\n!!! half-open requests: ${count} instead of 10,000, for this process may open few files\n\n`,
      );
    }
    const wait = waitingRoute();
    await using server = await startHttpFixture({
      routes: [wait.route],
      http: { maxConnections: count, deadlines: { headersTimeoutMs: 60_000, requestTimeoutMs: 60_000 } },
    });
    const alice = await server.register('alice');
    using poll = await openRaw(server.port);
    poll.write('GET /_matrix/client/v3/wait HTTP/1.1\r\nHost: x\r\n\r\n');
    await until(() => wait.waiting() === 1);
    const half = await openMany(server, count, 'PUT /_matrix/client/v3/presence/x/status HTTP/1.1\r\nHost: x\r\nX-');
    await until(() => server.metrics.value(CONNECTIONS) >= count - 1);

    for (let i = 0; i < 20; i++) {
      const body = { presence: 'online' };
      const headers = { connection: 'close' };
      const put = await alice.request('PUT', `/presence/${alice.userId}/status`, { body, headers });
      expect(put.status).toBe(200);
    }
    expect(server.presenceCalls).toHaveLength(20);
    wait.release();
    await poll.received(/"released":true/);
    expect(server.metrics.value(CONNECTIONS)).toBeLessThanOrEqual(count);
    for (const connection of half) connection.socket.destroy();
    await until(() => server.metrics.value(CONNECTIONS) < 100, 30_000);
  });
});
