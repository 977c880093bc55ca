/**
 * What the HTTP side does for other servers' requests: which listener serves them, and bodies that are read late.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { RecordingLogger } from '../../src/adapters/memory/logger.ts';
import { MemoryMetrics } from '../../src/adapters/memory/metrics.ts';
import { createHttpServer, type HttpServer, type ResourceName } from '../../src/http/http-server.ts';
import type { ClientRequest, Route } from '../../src/http/route.ts';
import { MatrixError } from '../../src/matrix/errors.ts';
import { openRaw } from '../support/http-fixture.ts';
import { until } from '../support/until.ts';

const MB = 1024 * 1024;
const open: HttpServer[] = [];
afterEach(async () => {
  for (const http of open.splice(0)) await http.close(0);
});

async function start(routes: readonly Route[], ...listeners: (readonly ResourceName[])[]) {
  const http = createHttpServer({
    listeners: listeners.map((resources) => ({
      port: 0,
      bindAddresses: ['127.0.0.1'],
      tls: false,
      xForwarded: false,
      resources,
    })),
    routes,
    authenticate: () => {
      throw new Error('nobody is authenticated here');
    },
    limits: { maxRequestBytes: 1000 },
    metrics: new MemoryMetrics(),
    logger: new RecordingLogger(),
  });
  open.push(http);
  return (await http.listen()).map(({ port }) => port);
}

const route = (path: string, more: Partial<Route> = {}): Route => ({
  method: 'GET',
  path,
  prefix: '/_matrix',
  versions: [],
  auth: 'none',
  operationId: path,
  handler: () => ({ path }),
  ...more,
});

const send = (handler: (request: ClientRequest) => unknown, maxBodyBytes = 10 * MB): Route =>
  route('/send/:txnId', { method: 'PUT', resource: 'federation', readsBody: true, maxBodyBytes, handler });

const statusOf = async (port: number | undefined, path: string, method = 'GET') => {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { method });
  const body = response.status === 200 ? {} : ((await response.json()) as { errcode: string });
  return 'errcode' in body ? `${response.status} ${String(body.errcode)}` : response.status;
};

describe('listeners', () => {
  it('serve what their resources say: clients, other servers, or both', async () => {
    const routes = [route('/client'), route('/federation', { resource: 'federation' })];
    const ports = await start(routes, ['client'], ['federation'], ['client', 'federation'], ['metrics']);
    const found = await Promise.all(
      ports.map(async (port) => [await statusOf(port, '/_matrix/client'), await statusOf(port, '/_matrix/federation')]),
    );
    const unknown = '404 M_UNRECOGNIZED';
    expect(found).toEqual([
      [200, unknown],
      [unknown, 200],
      [200, 200],
      [unknown, unknown],
    ]);
    expect(await statusOf(ports[1], '/_matrix/federation', 'POST')).toBe('405 M_UNRECOGNIZED');
    expect(await statusOf(ports[0], '/_matrix/federation', 'POST')).toBe(unknown);
  });

  it('still refuse two routes of one path, whoever they are for', async () => {
    await expect(() => start([route('/x'), route('/x', { resource: 'federation' })])).rejects.toThrow('two routes');
  });
});

describe('a body that the handler reads', () => {
  const put = (port: number | undefined, body: string) =>
    fetch(`http://127.0.0.1:${port}/_matrix/send/1%2F2?x=%20y`, { method: 'PUT', body });

  it('comes after the headers were looked at, with the address as it was sent', async () => {
    const handler = async (request: ClientRequest) => {
      const early = { url: request.url, hasBody: request.hasBody, headers: request.headers('x-a') };
      await request.readBody();
      const body = request.body();
      request.dropBody();
      return { early, body, after: request.hasBody };
    };
    const [port = 0] = await start([send(handler)], ['federation']);
    const body = JSON.stringify('x'.repeat(200_000));
    const response = await (await put(port, body)).json();
    const early = { url: '/_matrix/send/1%2F2?x=%20y', hasBody: false, headers: [] };
    expect(response).toEqual({ early, body: JSON.parse(body), after: false });
    using raw = await openRaw(port);
    raw.write('PUT /_matrix/send/1 HTTP/1.1\r\nHost: x\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 2\r\n\r\n{}');
    await raw.received(/"headers":\["1","2"\]/);
  });

  it('is never read of a request that is refused, and the connection goes on', async () => {
    let read = 0;
    const handler = async (request: ClientRequest) => {
      if (request.params['txnId'] === 'no') throw new MatrixError(401, 'M_UNAUTHORIZED', 'no');
      await request.readBody();
      read++;
      return {};
    };
    const [port = 0] = await start([send(handler)], ['federation']);
    using raw = await openRaw(port);
    raw.write('PUT /_matrix/send/no HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n');
    await raw.received(/HTTP\/1\.1 401 /);
    raw.write(`${' '.repeat(2_000_000)}PUT /_matrix/send/yes HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}`);
    await raw.received(/HTTP\/1\.1 200 /);
    expect(read).toBe(1);
  });

  it('may be as large as the route says, not as max_request_size does', async () => {
    const handler = async (request: ClientRequest) => {
      await request.readBody();
      return {};
    };
    const [port = 0] = await start([send(handler, 100_000)], ['federation']);
    expect((await put(port, 'x'.repeat(100_000))).status).toBe(200);
    expect((await put(port, 'x'.repeat(100_001))).status).toBe(413);
  });

  it('of one address has room for 16 MiB at once until they are answered, and others have theirs', async () => {
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    let waiting = 0;
    const handler = async (request: ClientRequest) => {
      await request.readBody();
      request.dropBody();
      waiting++;
      await gate;
      return {};
    };
    const [port = 0] = await start([send(handler)], ['federation']);
    const big = 'x'.repeat(8 * MB);
    const held = [put(port, big), put(port, big)];
    await until(() => waiting === 2);
    const refused = await put(port, 'x');
    expect([refused.status, await refused.json()]).toEqual([
      429,
      { errcode: 'M_LIMIT_EXCEEDED', error: expect.any(String), retry_after_ms: 1000 },
    ]);
    const chunked = await put(port, 'x'.repeat(300_000));
    expect(chunked.status).toBe(429);
    release();
    expect((await Promise.all(held)).map(({ status }) => status)).toEqual([200, 200]);
    expect((await put(port, big)).status).toBe(200);
  });

  it('gives its room back when the sender goes away in the middle of it', async () => {
    const outcomes: string[] = [];
    const handler = async (request: ClientRequest) => {
      await request.readBody().then(
        () => outcomes.push('read'),
        (error: unknown) => {
          outcomes.push('gone');
          throw error;
        },
      );
      return {};
    };
    const [port = 0] = await start([send(handler)], ['federation']);
    for (let i = 0; i < 4; i++) {
      const raw = await openRaw(port);
      raw.write(`PUT /_matrix/send/1 HTTP/1.1\r\nHost: x\r\nContent-Length: ${9 * MB}\r\n\r\n${'x'.repeat(8 * MB)}`);
      await new Promise<void>((resolve) =>
        raw.socket.writableLength === 0 ? resolve() : raw.socket.once('drain', () => resolve()),
      );
      raw.socket.destroy();
      await until(() => outcomes.length === i + 1);
    }
    expect(outcomes).toEqual(['gone', 'gone', 'gone', 'gone']);
    expect((await put(port, 'x'.repeat(10 * MB))).status).toBe(200);
  });
});
