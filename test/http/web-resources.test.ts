import { describe, expect, it } from 'vitest';
import type { WebResourceHandler } from '../../src/http/web-resources.ts';
import { openRaw, startHttpFixture } from '../support/http-fixture.ts';

function serve(handler: WebResourceHandler, more: { webResourceTimeoutMs?: number } = {}) {
  const find = (path: string) => (path === '/hook' || path.startsWith('/hook/') ? handler : null);
  return startHttpFixture({ http: { webResources: { find }, limits: { maxRequestBytes: 1000 }, ...more } });
}

describe('web resources of modules', () => {
  it('get the request as it came, without authentication, and answer with what they like', async () => {
    await using server = await serve(async (request) => {
      const { pathname, search } = new URL(request.url);
      expect(request.headers.has('connection')).toBe(false);
      const text = `${request.method} ${pathname}${search} ${request.headers.get('x-test')} ${await request.text()}`;
      return new Response(text, { status: 201, headers: { 'content-type': 'text/weird', 'x-own': 'yes' } });
    });
    const response = await fetch(`${server.baseUrl}/hook/a%20b?c=d`, {
      method: 'PATCH',
      body: 'hällo',
      headers: { 'x-test': 'there' },
    });
    expect(response.status).toBe(201);
    expect(response.headers.get('content-type')).toBe('text/weird');
    expect(response.headers.get('x-own')).toBe('yes');
    expect(await response.text()).toBe('PATCH /hook/a%20b?c=d there hällo');
    for (const method of ['GET', 'HEAD', 'OPTIONS', 'DELETE', 'POST']) {
      expect((await fetch(`${server.baseUrl}/hook`, { method })).status, method).toBe(201);
    }
    expect((await fetch(`${server.baseUrl}/hooks`)).status).toBe(404);
  });

  it('stream, have several values of a header, and bytes', async () => {
    await using server = await serve(async () => {
      const parts = [new Uint8Array([0, 1, 255]), new Uint8Array(200_000).fill(7)];
      const body = new ReadableStream<Uint8Array>({
        pull(controller) {
          const part = parts.shift();
          if (part === undefined) controller.close();
          else controller.enqueue(part);
        },
      });
      return new Response(body, {
        headers: [
          ['set-cookie', 'a=1'],
          ['set-cookie', 'b=2'],
        ],
      });
    });
    const response = await fetch(`${server.baseUrl}/hook`);
    expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
    const bytes = new Uint8Array(await response.arrayBuffer());
    expect([bytes.length, bytes[0], bytes[2], bytes.at(-1)]).toEqual([200_003, 0, 255, 7]);
  });

  it('are held to the body limit', async () => {
    let asked = 0;
    await using server = await serve(async (request) => {
      asked++;
      return new Response(String((await request.text()).length));
    });
    const post = (body: string) => fetch(`${server.baseUrl}/hook`, { method: 'POST', body });
    expect(await (await post('x'.repeat(1000))).text()).toBe('1000');
    expect((await post('x'.repeat(1001))).status).toBe(413);
    expect(asked).toBe(1);
  });

  it('are a 500 without detail when they throw, at once or later', async () => {
    for (const handler of [
      () => {
        throw new Error('a secret');
      },
      () => Promise.reject(new Error('a secret')),
    ] satisfies WebResourceHandler[]) {
      await using server = await serve(handler);
      const response = await fetch(`${server.baseUrl}/hook`);
      expect(response.status).toBe(500);
      expect(await response.text()).not.toContain('secret');
    }
  });

  it('are a 500, too, when their answer cannot be sent', async () => {
    const used = async (): Promise<Response> => {
      const response = new Response('read already');
      await response.text();
      return response;
    };
    const locked = async (): Promise<Response> => {
      const response = new Response('being read');
      response.body?.getReader();
      return response;
    };
    for (const handler of [used, locked, () => Promise.resolve(Response.error())]) {
      await using server = await serve(handler);
      expect((await fetch(`${server.baseUrl}/hook`)).status).toBe(500);
    }
  });

  it.each([2, 99])('do not get bytes past the end of their answer by saying that it has %i', async (length) => {
    await using server = await serve(
      async () => new Response('HTTP/1.1 200 OK', { headers: { 'content-length': String(length) } }),
    );
    await expect(fetch(`${server.baseUrl}/hook`).then((response) => response.text())).rejects.toThrow(/./);
    const client = await openRaw(server.port);
    client.write('GET /hook HTTP/1.1\r\nHost: x\r\n\r\n');
    await client.closed;
    expect(client.text()).not.toMatch(/HTTP\/1\.1 200 OK$/);
  });

  it('are not asked for a host that is none, or for what is not below their path', async () => {
    const asked: string[] = [];
    await using server = await serve(async (request) => {
      asked.push(request.url);
      return new Response('asked');
    });
    const ask = async (path: string, host = 'x'): Promise<string> => {
      const client = await openRaw(server.port);
      client.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
      await client.closed;
      return client.text().split(' ')[1] ?? '';
    };
    for (const host of ['%%%', 'a b', '[', 'x:99999']) expect(await ask('/hook', host), host).toBe('400');
    for (const way of ['/..', '/../x', '/a/%2E%2e/../x', '/a\\..\\..\\x', '/.']) {
      expect(await ask(`/hook${way}`), way).toBe('404');
    }
    expect(asked).toEqual([]);
    expect(await ask('/hook/..a/.well-known')).toBe('200');
  });

  it('are cut off at the deadline, with their signal aborted', async () => {
    let signal: AbortSignal | undefined;
    await using server = await serve(
      (request) => {
        signal = request.signal;
        return new Promise(() => undefined);
      },
      { webResourceTimeoutMs: 100 },
    );
    const response = await fetch(`${server.baseUrl}/hook`);
    expect(response.status).toBe(504);
    expect(signal?.aborted).toBe(true);
  });

  it('are cut off when a body never ends, or fails on the way', async () => {
    const endless = () => new ReadableStream<Uint8Array>({ start: (c) => c.enqueue(new Uint8Array(10)) });
    const failing = () => {
      let pulls = 0;
      return new ReadableStream<Uint8Array>(
        {
          pull(controller) {
            if (pulls++ < 3) controller.enqueue(new Uint8Array(10));
            else controller.error(new Error('gone'));
          },
        },
        { highWaterMark: 0 },
      );
    };
    for (const body of [endless, failing]) {
      await using server = await serve(async () => new Response(body()), { webResourceTimeoutMs: 100 });
      using connection = await openRaw(server.port);
      connection.write('GET /hook HTTP/1.1\r\nHost: x\r\n\r\n');
      if (body === endless) await connection.received(/HTTP\/1\.1 200/);
      await connection.closed;
      // Cut off in the middle, so that nobody takes it for complete.
      expect(connection.text()).not.toMatch(/\r\n0\r\n\r\n$/);
      expect((await server.request('GET', '/_matrix/client/versions')).status).toBe(200);
    }
  });
});
