import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RawJson, type Route, STABLE_VERSIONS } from '../../src/http/route.ts';
import { PortError } from '../../src/ports/errors.ts';
import { type HttpFixture, openRaw, startHttpFixture } from '../support/http-fixture.ts';
import type { TestUser } from '../support/test-client.ts';

const errcodeOf = async (response: Response) => ((await response.json()) as { errcode?: string }).errcode;
const shared = { versions: STABLE_VERSIONS, auth: 'none' } as const;
const routes: Route[] = [
  {
    ...shared,
    method: 'PUT',
    path: '/echo',
    auth: 'required',
    operationId: 'echo',
    handler: (r) => ({ got: r.body() }),
  },
  { ...shared, method: 'POST', path: '/strange', operationId: 'strange', handler: (r) => ({ got: r.body() }) },
  {
    ...shared,
    method: 'GET',
    path: '/state/:roomId/:type/:stateKey',
    operationId: 'state',
    handler: (r) => r.params,
  },
  { ...shared, method: 'GET', path: '/raw', operationId: 'raw', handler: () => new RawJson('{"raw":"ä"}') },
  {
    ...shared,
    method: 'GET',
    path: '/fail/:how',
    operationId: 'fail',
    handler: ({ params }) => {
      const detail = 'a secret of the server';
      if (params['how'] === 'locked') throw new PortError('database', 'run', true, detail);
      if (params['how'] === 'broken') throw new PortError('database', 'run', false, detail);
      if (params['how'] === 'rejected') return Promise.reject(new Error(detail));
      if (params['how'] === 'circular') {
        const circular: Record<string, unknown> = {};
        circular['self'] = circular;
        return circular;
      }
      // oxlint-disable-next-line typescript/only-throw-error -- whatever a library may throw
      throw params['how'] === 'string' ? detail : new TypeError(detail);
    },
  },
];

describe('requests and answers', () => {
  let server: HttpFixture;
  let alice: TestUser;
  const echo = '/_matrix/client/v3/echo';

  beforeAll(async () => {
    server = await startHttpFixture({ routes, http: { limits: { maxRequestBytes: 100_000 } } });
    alice = await server.register('alice');
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const put = (body: string | Buffer, headers: Record<string, string> = {}) =>
    fetch(server.baseUrl + echo, {
      method: 'PUT',
      body: body as unknown as string,
      headers: { authorization: `Bearer ${alice.accessToken}`, ...headers },
    });

  it('has exactly `application/json` and the CORS headers on every JSON answer, errors included', async () => {
    const answers = [
      await server.request('GET', '/_matrix/client/versions'),
      await server.request('GET', '/account/whoami'),
      await server.request('GET', '/no/such/path'),
      await server.request('DELETE', '/login'),
      await server.request('GET', '/fail/error'),
      await server.request('GET', '/raw'),
      await server.request('POST', '/login', { body: 'x' }),
      await server.request('POST', '/register', { body: {} }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 401, 404, 405, 500, 200, 400, 401]);
    for (const { headers } of answers) {
      expect(headers.get('content-type')).toBe('application/json');
      expect(headers.get('access-control-allow-origin')).toBe('*');
      expect(headers.get('access-control-allow-methods')).toBe('GET, POST, PUT, DELETE, OPTIONS');
      expect(headers.get('access-control-allow-headers')).toBe('X-Requested-With, Content-Type, Authorization');
    }
    expect(answers[5]?.body).toEqual({ raw: 'ä' });
  });

  it('answers preflights of browsers without a token, for any path', async () => {
    for (const path of ['/_matrix/client/v3/sync', '/_matrix/client/r0/login', echo, '/_matrix/client/v3/nowhere']) {
      const response = await fetch(server.baseUrl + path, {
        method: 'OPTIONS',
        headers: { origin: 'https://app.example', 'access-control-request-method': 'PUT' },
      });
      expect(response.status).toBe(204);
      expect(response.headers.get('access-control-allow-origin')).toBe('*');
      expect(response.headers.get('access-control-allow-methods')).toContain('PUT');
      expect(response.headers.get('access-control-allow-headers')).toContain('Authorization');
      expect(await response.text()).toBe('');
    }
  });

  it('is M_UNRECOGNIZED with 404 for unknown paths and 405 for wrong methods', async () => {
    for (const path of ['/', '/_matrix/client/v3/', '/_matrix/client/v9/sync', '/_matrix/client/v3/login/', '/x']) {
      const response = await fetch(server.baseUrl + path);
      expect([response.status, await errcodeOf(response)], path).toEqual([404, 'M_UNRECOGNIZED']);
    }
    for (const method of ['DELETE', 'PATCH', 'PUT', 'HEAD']) {
      const response = await fetch(`${server.baseUrl}/_matrix/client/v3/login`, { method });
      expect(response.status, method).toBe(405);
      expect(response.headers.get('allow')).toBe('GET, POST');
      if (method !== 'HEAD') expect(await errcodeOf(response)).toBe('M_UNRECOGNIZED');
    }
  });

  it('serves r0 like v3, and versions without a version', async () => {
    expect((await alice.request('GET', '/_matrix/client/r0/account/whoami')).body.user_id).toBe(alice.userId);
    expect((await alice.request('GET', '/_matrix/client/v1/account/whoami')).status).toBe(404);
  });

  it('percent-decodes parts of paths once, after splitting, and tells apart what cannot be decoded', async () => {
    const state = async (path: string) => (await server.request('GET', `/state/${path}`)).body;
    expect(await state('%21a%3Ab/m.room%2Fx/%2540')).toEqual({ roomId: '!a:b', type: 'm.room/x', stateKey: '%40' });
    expect(await state('!a:b/t/')).toEqual({ roomId: '!a:b', type: 't', stateKey: '' });
    expect(await state('!a:b/t/ä+b')).toEqual({ roomId: '!a:b', type: 't', stateKey: 'ä+b' });
    expect((await state('!a:b//x')).errcode).toBe('M_UNRECOGNIZED');
    for (const bad of ['%zz', '%', '%ff', '%C3']) {
      const response = await fetch(`${server.baseUrl}/_matrix/client/v3/state/a/b/${bad}`);
      expect([response.status, await errcodeOf(response)], bad).toEqual([400, 'M_INVALID_PARAM']);
    }
  });

  it('takes JSON whatever the content type says', async () => {
    for (const type of ['application/json', 'text/plain', 'application/x-www-form-urlencoded', 'nonsense']) {
      const response = await put('{"a":1}', { 'content-type': type });
      expect(await response.json(), type).toEqual({ got: { a: 1 } });
    }
  });

  it('is M_NOT_JSON for what is not JSON in UTF-8, and takes all that is', async () => {
    const bad = [
      '{',
      '{"a":1}}',
      "{'a':1}",
      '{"a":NaN}',
      Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
      Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]),
      '\ufeff{}',
      '',
    ];
    for (const body of bad) {
      const response = await put(body);
      expect([response.status, await errcodeOf(response)], String(body)).toEqual([400, 'M_NOT_JSON']);
    }
    for (const value of [{ ä: '😀' }, [], 5, null, 'x', { __proto__: { a: 1 } }]) {
      expect(await (await put(JSON.stringify(value))).json()).toEqual({ got: value });
    }
  });

  it('refuses nesting bombs, and no brackets in strings', async () => {
    const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
    expect((await put(nested(200))).status).toBe(200);
    const deep = await put(nested(201));
    expect([deep.status, await errcodeOf(deep)]).toEqual([400, 'M_BAD_JSON']);
    expect((await put('[{"a":'.repeat(40_000).slice(0, 99_999))).status).toBe(400);
    const text = JSON.stringify({ text: '\\"[{'.repeat(5000), more: '['.repeat(1000) });
    expect((await put(text)).status).toBe(200);
  });

  it('takes a body of just max_request_size and refuses one byte more, with and without Content-Length', async () => {
    const body = (bytes: number) => JSON.stringify('x'.repeat(bytes - 2));
    const chunked = (text: string) =>
      fetch(server.baseUrl + echo, {
        method: 'PUT',
        body: new ReadableStream({
          start(controller) {
            for (let at = 0; at < text.length; at += 10_000) {
              controller.enqueue(new TextEncoder().encode(text.slice(at, at + 10_000)));
            }
            controller.close();
          },
        }),
        headers: { authorization: `Bearer ${alice.accessToken}` },
        duplex: 'half',
      });
    for (const send of [put, chunked]) {
      expect((await send(body(100_000))).status).toBe(200);
      const over = await send(body(100_001));
      expect([over.status, await errcodeOf(over)]).toEqual([413, 'M_TOO_LARGE']);
    }
    server.http.setLimits({ maxRequestBytes: 50 });
    expect((await put(body(51))).status).toBe(413);
    for (const [bytes, status] of [
      [50, 200],
      [51, 413],
    ] as const) {
      using connection = await openRaw(server.port);
      connection.write(
        `PUT ${echo} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${alice.accessToken}\r\n` +
          `Transfer-Encoding: chunked\r\n\r\n${bytes.toString(16)}\r\n${body(bytes)}\r\n0\r\n\r\n`,
      );
      await connection.received(new RegExp(`HTTP/1\\.1 ${status}`));
    }
    server.http.setLimits({ maxRequestBytes: 100_000 });
    expect((await put(body(51))).status).toBe(200);
  });

  it('holds strangers to 64 KiB, and reads nothing of a body whose token is wrong', async () => {
    const post = (bytes: number) => server.request('POST', '/strange', { body: JSON.stringify('x'.repeat(bytes - 2)) });
    expect((await post(65_536)).status).toBe(200);
    expect((await post(65_537)).body.errcode).toBe('M_TOO_LARGE');
    using connection = await openRaw(server.port);
    connection.write(`PUT ${echo} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer wrong\r\nContent-Length: 90000\r\n\r\n`);
    await connection.received(/HTTP\/1\.1 401 .*M_UNKNOWN_TOKEN/s);
  });

  it('answers the oversized before they are sent, and keeps the connection for what follows', async () => {
    using connection = await openRaw(server.port);
    const head = `PUT ${echo} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${alice.accessToken}\r\n`;
    connection.write(`${head}Content-Length: 200000\r\n\r\n`);
    await connection.received(/HTTP\/1\.1 413 .*M_TOO_LARGE/s);
    connection.write(`${' '.repeat(200_000)}${head}Content-Length: 2\r\n\r\n{}`);
    await connection.received(/HTTP\/1\.1 200 .*\{"got":\{\}\}/s);
  });

  it('answers pipelined requests in order', async () => {
    using connection = await openRaw(server.port);
    const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
    connection.write(get('/_matrix/client/v3/state/1/b/c') + get('/_matrix/client/v3/raw') + get('/health'));
    await connection.received(/"roomId":"1".*"raw":.*text\/plain.*OK/s);
  });

  it('says nothing of what went wrong inside, and writes it down', async () => {
    const cases: [string, number][] = [
      ['error', 500],
      ['rejected', 500],
      ['string', 500],
      ['circular', 500],
      ['broken', 500],
      ['locked', 503],
    ];
    for (const [how, status] of cases) {
      const before = server.logger.lines.length;
      const response = await server.request('GET', `/fail/${how}`);
      expect([response.status, response.body.errcode], how).toEqual([status, 'M_UNKNOWN']);
      expect(JSON.stringify(response.body)).not.toContain('secret');
      const logged = server.logger.lines.slice(before).find(({ message }) => message === 'request failed');
      expect([logged?.level, logged?.fields['operation']]).toEqual([status === 500 ? 'error' : 'warn', 'fail']);
      expect(logged?.fields['err']).toBeDefined();
    }
  });

  it('rejects what is not HTTP with 400, and headers without end with 431', async () => {
    using nonsense = await openRaw(server.port);
    nonsense.write('hello there\r\n\r\n');
    await nonsense.received(/HTTP\/1\.1 400 .*errcode/s);
    await nonsense.closed;
    using endless = await openRaw(server.port);
    endless.write(`GET / HTTP/1.1\r\nX: ${'y'.repeat(20_000)}`);
    // A browser shows its page the reason only with these headers.
    await endless.received(/HTTP\/1\.1 431 .*\r\nAccess-Control-Allow-Origin: \*\r\n.*\r\n\r\n\{"errcode"/s);
    await endless.closed;
    using absolute = await openRaw(server.port);
    absolute.write('GET * HTTP/1.1\r\nHost: x\r\n\r\n');
    await absolute.received(/HTTP\/1\.1 404/);
  });

  it('counts answers by operation and status, and shows them', async () => {
    await server.request('GET', '/raw');
    const health = await server.request('GET', '/health');
    expect([health.status, health.body, health.headers.get('content-type')]).toEqual([
      200,
      'OK',
      'text/plain; charset=utf-8',
    ]);
    for (const path of ['/metrics', '/_synapse/metrics']) {
      const { status, body, headers } = await server.request('GET', path);
      expect(status).toBe(200);
      expect(headers.get('content-type')).toContain('text/plain; version=0.0.4');
      expect(body).toMatch(/synapse_http_server_responses_total\{code="200",method="GET",servlet="raw"\} [1-9]/);
      expect(body).toMatch(/synapse_http_server_response_time_seconds_count\{method="GET",servlet="raw"\} [1-9]/);
    }
    expect(
      server.metrics.value('synapse_http_server_responses_total', { method: 'GET', servlet: 'fail', code: '503' }),
    ).toBe(1);
  });
});
