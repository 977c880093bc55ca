/**
 * Answers that go on: how they look, how many there may be, and everything that ends them.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { RecordingLogger } from '../../src/adapters/memory/logger.ts';
import { MemoryMetrics } from '../../src/adapters/memory/metrics.ts';
import { createHttpServer, type HttpServer, type HttpServerOptions } from '../../src/http/http-server.ts';
import type { Route } from '../../src/http/route.ts';
import { type OpenStream, type StreamLimits, Streams } from '../../src/http/stream-reply.ts';
import { MatrixError } from '../../src/matrix/errors.ts';
import { openRaw } from '../support/http-fixture.ts';
import { until } from '../support/until.ts';

const open: HttpServer[] = [];
afterEach(async () => {
  for (const http of open.splice(0)) await http.close(0);
});

async function start(limits: Partial<StreamLimits> = {}, more: Partial<HttpServerOptions> = {}) {
  const streams = new Streams(limits);
  const sources: OpenStream[] = [];
  let ended = 0;
  const route: Route = {
    method: 'GET',
    path: '/stream',
    prefix: '',
    versions: [],
    auth: 'none',
    operationId: 'stream',
    handler: (request) =>
      streams.reply(request, (stream) => {
        if (request.query.has('fail')) throw new MatrixError(404, 'M_NOT_FOUND', 'not here');
        sources.push(stream);
        stream.send({ first: 'line\nbreak' });
        if (request.query.has('short')) stream.end();
        return () => {
          ended++;
        };
      }),
  };
  const metrics = new MemoryMetrics();
  const logger = new RecordingLogger();
  const http = createHttpServer({
    listeners: [{ port: 0, bindAddresses: ['127.0.0.1'], tls: false, xForwarded: false, resources: ['client'] }],
    routes: [route],
    authenticate: () => {
      throw new Error('nobody is authenticated here');
    },
    limits: { maxRequestBytes: 1000 },
    metrics,
    logger,
    ...more,
  });
  open.push(http);
  const [first] = await http.listen();
  const port = first?.port ?? 0;
  const ask = (query = '', accept = '*/*') => fetch(`http://127.0.0.1:${port}/stream${query}`, { headers: { accept } });
  return { streams, sources, ended: () => ended, http, port, ask, logger };
}

describe('a stream', () => {
  it('is lines of JSON, each sent at once, and ends in good order', async () => {
    const { ask, sources, ended, streams } = await start();
    const response = await ask();
    expect(response.headers.get('content-type')).toBe('application/x-ndjson');
    expect(response.headers.get('cache-control')).toBe('no-store');
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    expect((await reader?.read())?.value).toBe('{"first":"line\\nbreak"}\n');
    sources[0]?.send([2]);
    expect((await reader?.read())?.value).toBe('[2]\n');
    expect([streams.open, ended()]).toEqual([1, 0]);
    sources[0]?.end();
    sources[0]?.end();
    sources[0]?.send('too late');
    expect((await reader?.read())?.done).toBe(true);
    expect([streams.open, ended()]).toEqual([0, 1]);
  });

  it('is events for those who ask for them', async () => {
    const { ask, sources } = await start();
    const response = await ask('', 'text/html, text/event-stream;q=0.9');
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    sources[0]?.end();
    expect(await response.text()).toBe('data: {"first":"line\\nbreak"}\n\n');
  });

  it('is cut off when its source fails, which is logged like the failure of any request', async () => {
    const { ask, sources, ended, streams, logger } = await start();
    const response = await ask();
    sources[0]?.fail(new Error('the source has failed'));
    sources[0]?.fail(new Error('too late'));
    await expect(response.text()).rejects.toThrow('terminated');
    expect([streams.open, ended()]).toEqual([0, 1]);
    expect(logger.lines.filter(({ level }) => level === 'error')).toMatchObject([
      { message: 'request failed', fields: { operation: 'stream', err: { message: 'the source has failed' } } },
    ]);
  });

  it('has what its source said before it was over at once', async () => {
    const { ask, ended, streams } = await start();
    expect(await (await ask('?short')).text()).toBe('{"first":"line\\nbreak"}\n');
    expect([streams.open, ended()]).toEqual([0, 1]);
  });

  it('is an answer like others when its source throws', async () => {
    const { ask, ended, streams } = await start();
    const response = await ask('?fail');
    expect([response.status, await response.json()]).toEqual([404, { errcode: 'M_NOT_FOUND', error: 'not here' }]);
    expect([streams.open, ended()]).toEqual([0, 0]);
  });

  it('ends its source when the client leaves', async () => {
    const { port, ended, streams } = await start();
    using raw = await openRaw(port);
    raw.write('GET /stream HTTP/1.1\r\nHost: x\r\n\r\n');
    await raw.received(/"first"/);
    raw.socket.destroy();
    await until(() => ended() === 1);
    expect(streams.open).toBe(0);
  });

  it('ends when its time is over, and when the server stops, at once', async () => {
    const timed = await start({ maxDurationMs: 50 });
    expect(await (await timed.ask()).text()).toBe('{"first":"line\\nbreak"}\n');
    expect([timed.streams.open, timed.ended()]).toEqual([0, 1]);

    const { ask, http, ended } = await start();
    const response = await ask();
    const before = performance.now();
    await Promise.all([http.close(10_000), response.text()]);
    expect(performance.now() - before).toBeLessThan(5000);
    expect(ended()).toBe(1);
  });

  it('is one of so many at once', async () => {
    const { ask, sources, streams } = await start({ maxOpen: 2 });
    await Promise.all([ask(), ask()]);
    const refused = await ask();
    expect([refused.status, await refused.json()]).toMatchObject([
      429,
      { errcode: 'M_LIMIT_EXCEEDED', retry_after_ms: 15_000 },
    ]);
    sources[0]?.end();
    await until(() => streams.open === 1);
    expect((await ask()).status).toBe(200);
  });

  it('has an empty line now and then', async () => {
    const { port } = await start({ heartbeatMs: 20 });
    using raw = await openRaw(port);
    raw.write('GET /stream HTTP/1.1\r\nHost: x\r\n\r\n');
    await raw.received(/"first".*\r\n(1\r\n\n\r\n){2}/s);
  });

  it('is cut off for a client that does not read it', async () => {
    const { port, sources, ended, streams } = await start();
    using raw = await openRaw(port);
    raw.write('GET /stream HTTP/1.1\r\nHost: x\r\n\r\n');
    await raw.received(/"first"/);
    raw.socket.pause();
    const line = 'x'.repeat(100_000);
    // The system's buffers take some megabytes.
    for (let sent = 0; sent < 200 && ended() === 0; sent++) {
      sources[0]?.send(line);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => ended() === 1);
    expect(streams.open).toBe(0);
  });

  it('is cut off for a client that stops reading less than that', async () => {
    const { port, sources, ended } = await start({}, { deadlines: { slowReaderTimeoutMs: 100 } });
    using raw = await openRaw(port);
    raw.write('GET /stream HTTP/1.1\r\nHost: x\r\n\r\n');
    await raw.received(/"first"/);
    raw.socket.pause();
    const line = 'x'.repeat(8000);
    // Once the system's buffers are full, that is a small part of what may wait.
    let waiting = 0;
    await until(async () => {
      waiting = sources[0]?.send(line) === true ? 0 : waiting + 1;
      await new Promise((resolve) => setTimeout(resolve, waiting === 0 ? 0 : 10));
      return ended() === 1;
    });
    expect(waiting).toBeLessThan(40);
  });
});
