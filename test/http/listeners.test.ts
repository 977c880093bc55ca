import { createServer as createNetServer } from 'node:net';
import { connect } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { RecordingLogger } from '../../src/adapters/memory/logger.ts';
import { MemoryMetrics } from '../../src/adapters/memory/metrics.ts';
import {
  createHttpServer,
  type HttpListenerOptions,
  type HttpServer,
  type HttpServerOptions,
} from '../../src/http/http-server.ts';
import type { Route } from '../../src/http/route.ts';
import { openRaw } from '../support/http-fixture.ts';
import * as certificates from '../support/tls-certificates.ts';
import { until } from '../support/until.ts';

const listener: HttpListenerOptions = {
  port: 0,
  bindAddresses: ['127.0.0.1'],
  tls: false,
  xForwarded: false,
  resources: ['client'],
};
const whereFrom: Route = {
  method: 'GET',
  path: '/ip',
  versions: ['v3'],
  auth: 'none',
  operationId: 'ip',
  handler: ({ ip, userAgent }) => ({ ip, userAgent }),
};
const open: HttpServer[] = [];

function make(options: Partial<HttpServerOptions> = {}): {
  http: HttpServer;
  metrics: MemoryMetrics;
  logger: RecordingLogger;
} {
  const metrics = new MemoryMetrics();
  const logger = new RecordingLogger();
  const http = createHttpServer({
    listeners: [listener],
    routes: [whereFrom],
    authenticate: () => {
      throw new Error('nobody is authenticated here');
    },
    limits: { maxRequestBytes: 1000 },
    metrics,
    logger,
    ...options,
  });
  open.push(http);
  return { http, metrics, logger };
}

const get = (port: number, path: string, headers = {}) => fetch(`http://127.0.0.1:${port}${path}`, { headers });

afterEach(async () => {
  for (const http of open.splice(0)) await http.close(0);
});

describe('listeners', () => {
  it('serve what their resources say, and health everywhere', async () => {
    const { http } = make({
      listeners: [
        listener,
        { ...listener, resources: ['metrics'] },
        { ...listener, resources: ['client', 'metrics'], bindAddresses: ['127.0.0.1', 'localhost'] },
      ],
    });
    const addresses = await http.listen();
    expect(addresses).toHaveLength(4);
    expect(addresses).toBe(http.addresses);
    const seen = await Promise.all(
      addresses.slice(0, 3).map(async ({ port }) => {
        const paths = ['/_matrix/client/v3/ip', '/metrics', '/_synapse/metrics', '/health'];
        return Promise.all(paths.map(async (path) => (await get(port, path)).status));
      }),
    );
    expect(seen).toEqual([
      [200, 404, 404, 200],
      [404, 200, 200, 200],
      [200, 200, 200, 200],
    ]);
    const preflight = await fetch(`http://127.0.0.1:${addresses[1]?.port}/x`, { method: 'OPTIONS' });
    expect(preflight.status).toBe(404);
  });

  it('believe X-Forwarded-For only where they are told to, and its last address', async () => {
    const { http } = make({ listeners: [listener, { ...listener, xForwarded: true }] });
    const [plain, behindProxy] = await http.listen();
    const ip = async (port: number | undefined, headers: Record<string, string>) =>
      await (await get(port ?? 0, '/_matrix/client/v3/ip', headers)).json();
    const forged = { 'x-forwarded-for': '198.51.100.1, 192.0.2.9', 'user-agent': 'test' };
    expect(await ip(plain?.port, forged)).toEqual({ ip: '127.0.0.1', userAgent: 'test' });
    expect(await ip(behindProxy?.port, forged)).toEqual({ ip: '192.0.2.9', userAgent: 'test' });
    expect(await ip(behindProxy?.port, { 'user-agent': 'test' })).toEqual({ ip: '127.0.0.1', userAgent: 'test' });
  });

  it('open all or none, and say which address is taken', async () => {
    const taken = createNetServer();
    await new Promise<void>((resolve) => void taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as { port: number };
    const { http } = make({ listeners: [listener, { ...listener, port }] });
    await expect(http.listen()).rejects.toMatchObject({ code: 'EADDRINUSE', port });
    const [first] = http.addresses;
    await expect(get(first?.port ?? 0, '/health')).rejects.toThrow('fetch failed');
    await new Promise((resolve) => void taken.close(resolve));
  });

  it('go on without an address this machine does not have, if another is open, and say so', async () => {
    const { http, logger } = make({ listeners: [{ ...listener, bindAddresses: ['127.0.0.1', '2001:db8::1'] }] });
    expect(await http.listen()).toHaveLength(1);
    expect(logger.lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
    const { http: alone } = make({ listeners: [{ ...listener, bindAddresses: ['2001:db8::1'] }] });
    await expect(alone.listen()).rejects.toThrow(/EADDRNOTAVAIL|EAFNOSUPPORT/);
  });
});

describe('TLS', () => {
  const exchange = (port: number): Promise<{ name: string; answer: string }> =>
    new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
        const name = String(socket.getPeerCertificate().subject.CN);
        let answer = '';
        socket.on('data', (chunk) => (answer += String(chunk)));
        socket.on('end', () => {
          resolve({ name, answer });
        });
        socket.write('GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
      });
      socket.on('error', reject);
    });

  it('is served, and a renewed certificate is taken without a restart', async () => {
    const { http, metrics } = make({ listeners: [{ ...listener, tls: true }], tls: certificates.one });
    const [address] = await http.listen();
    expect(address?.protocol).toBe('https');
    const port = address?.port ?? 0;
    const before = await exchange(port);
    expect([before.name, before.answer.startsWith('HTTP/1.1 200')]).toEqual(['one.test.example', true]);
    http.setTls(certificates.two);
    expect((await exchange(port)).name).toBe('two.test.example');
    await until(() => metrics.value('thalamus_http_connections') === 0);
  });

  it('keeps the certificate it has when the new one cannot be used', async () => {
    const { http } = make({ listeners: [{ ...listener, tls: true }], tls: certificates.one });
    const [address] = await http.listen();
    expect(() => {
      http.setTls({ cert: certificates.two.cert, key: certificates.one.key });
    }).toThrow('key values mismatch');
    expect((await exchange(address?.port ?? 0)).name).toBe('one.test.example');
  });

  it('loses clients that do not speak it, and those that stop in the handshake', async () => {
    const { http, metrics } = make({
      listeners: [{ ...listener, tls: true }],
      tls: certificates.one,
      deadlines: { headersTimeoutMs: 300 },
    });
    const [address] = await http.listen();
    using plain = await openRaw(address?.port ?? 0);
    plain.write('GET /health HTTP/1.1\r\nHost: x\r\n\r\n');
    await plain.closed;
    using silent = await openRaw(address?.port ?? 0);
    await silent.closed;
    await until(() => metrics.value('thalamus_http_connections') === 0);
    expect((await exchange(address?.port ?? 0)).name).toBe('one.test.example');
  });

  it('counts connections at work under TLS, too', async () => {
    let release = (): void => undefined;
    const wait: Route = {
      ...whereFrom,
      path: '/wait',
      handler: () => new Promise((resolve) => (release = () => resolve({}))),
    };
    const { http } = make({
      listeners: [{ ...listener, tls: true }],
      tls: certificates.one,
      routes: [wait],
      maxConnections: 1,
    });
    const [address] = await http.listen();
    const socket = connect({ port: address?.port ?? 0, host: '127.0.0.1', rejectUnauthorized: false });
    let answer = '';
    socket.on('data', (chunk) => (answer += String(chunk)));
    socket.write('GET /_matrix/client/v3/wait HTTP/1.1\r\nHost: x\r\n\r\n');
    const unset = release;
    await until(() => release !== unset);
    using refused = await openRaw(address?.port ?? 0);
    await refused.closed;
    release();
    await until(() => answer.startsWith('HTTP/1.1 200'));
    socket.destroy();
  });

  it('needs a certificate', async () => {
    const { http } = make({ listeners: [{ ...listener, tls: true }] });
    await expect(http.listen()).rejects.toThrow('certificate');
  });
});

describe('closing', () => {
  it('ends waiting requests with what they have, lets others finish, and stops listening', async () => {
    let finish = (): void => undefined;
    const poll: Route = {
      ...whereFrom,
      path: '/poll',
      handler: (request) =>
        new Promise((resolve) => {
          request.onAborted(() => {
            resolve({ next_batch: 'x' });
          });
        }),
    };
    const work: Route = {
      ...whereFrom,
      path: '/work',
      handler: () => new Promise((resolve) => (finish = () => resolve({ done: true }))),
    };
    const { http } = make({ routes: [poll, work] });
    const [address] = await http.listen();
    const port = address?.port ?? 0;
    using polling = await openRaw(port);
    using working = await openRaw(port);
    using idle = await openRaw(port);
    polling.write('GET /_matrix/client/v3/poll HTTP/1.1\r\nHost: x\r\n\r\n');
    working.write('GET /_matrix/client/v3/work HTTP/1.1\r\nHost: x\r\n\r\n');
    idle.write('GET /health HTTP/1.1\r\nHost: x\r\n\r\n');
    await idle.received(/OK/);
    const unset = finish;
    await until(() => finish !== unset || finish.toString().includes('done'));
    const closed = http.close(10_000);
    await polling.received(/HTTP\/1\.1 200 .*Connection: close.*"next_batch":"x"/s);
    await polling.closed;
    await idle.closed;
    finish();
    await working.received(/"done":true/);
    await closed;
    await expect(openRaw(port)).rejects.toThrow('ECONNREFUSED');
    await http.close(10_000);
  });

  it('does not wait for requests that have only begun, nor for handshakes', async () => {
    const { http } = make({ listeners: [listener, { ...listener, tls: true }], tls: certificates.one });
    const [plain, tls] = await http.listen();
    using half = await openRaw(plain?.port ?? 0);
    half.write('GET /health HTTP/1.1\r\nHos');
    using silent = await openRaw(tls?.port ?? 0);
    using other = await openRaw(plain?.port ?? 0);
    other.write('GET /health HTTP/1.1\r\nHost: x\r\n\r\n');
    await other.received(/OK/);
    // Far longer than the test may take.
    await http.close(100_000);
    await Promise.all([half.closed, silent.closed, other.closed]);
  });

  it('cuts off what does not end in time', async () => {
    let started = false;
    const never: Route = {
      ...whereFrom,
      path: '/never',
      handler: () => {
        started = true;
        return new Promise(() => undefined);
      },
    };
    const { http } = make({ routes: [never] });
    const [address] = await http.listen();
    using stuck = await openRaw(address?.port ?? 0);
    stuck.write('GET /_matrix/client/v3/never HTTP/1.1\r\nHost: x\r\n\r\n');
    await until(() => started);
    await http.close(50);
    await stuck.closed;
  });
});
