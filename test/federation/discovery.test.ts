/**
 * Servers are found by the rules of the specification, and spoken to with the right `Host` header and certificate name in every case.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { failureOf, get, type PeerClientFixture, startPeerClientFixture } from '../support/peer-client-fixture.ts';
import { answerJson } from '../support/peer-server.ts';

let fixture: PeerClientFixture;
beforeEach(async () => {
  fixture = await startPeerClientFixture();
});
afterEach(async () => fixture[Symbol.asyncDispose]());

/** A web server whose `/.well-known/matrix/server` says this. */
async function serveWellKnown(name: string, server: unknown, headers: Record<string, string> = {}) {
  return fixture.serve(
    { dnsNames: [name] },
    { answer: (_request, response) => answerJson(response, 200, { 'm.server': server }, headers) },
  );
}

describe('server names that say it all', () => {
  it('connects to a literal IPv4 address with a port: no name in the handshake, a certificate for the address', async () => {
    const server = await fixture.serve({ ips: ['127.0.0.1'] });
    const client = fixture.client();
    expect(await get(client, `127.0.0.1:${server.port}`)).toMatchObject({ httpStatus: 200, body: '{}' });
    expect(server.seen).toMatchObject([{ host: `127.0.0.1:${server.port}`, sni: null, method: 'GET' }]);
    expect(fixture.dns.questions).toEqual([]);
  });

  it('connects to literal addresses without a port at the default port, IPv6 too', async () => {
    const four = await fixture.serve({ ips: ['127.0.0.1'] });
    const six = await fixture.serve({ ips: ['::1'] }, { address: '::1' });
    await get(fixture.client({ ports: { https: 1, federation: four.port } }), '127.0.0.1');
    await get(fixture.client({ ports: { https: 1, federation: six.port } }), '[::1]');
    await get(fixture.client(), `[::1]:${six.port}`);
    expect(four.seen).toMatchObject([{ host: '127.0.0.1', sni: null }]);
    expect(six.seen).toMatchObject([{ host: '[::1]' }, { host: `[::1]:${six.port}`, sni: null }]);
  });

  it('refuses a certificate that is for another address', async () => {
    const server = await fixture.serve({ ips: ['127.0.0.2'], dnsNames: ['127.0.0.1'] });
    const failure = await failureOf(get(fixture.client(), `127.0.0.1:${server.port}`));
    expect(failure.kind).toBe('certificate');
    expect(failure.message).toContain(
      `127.0.0.1:${server.port}: the certificate or TLS at 127.0.0.1:${server.port} is not good for 127.0.0.1`,
    );
  });

  it('goes to an explicit port without asking for .well-known or SRV, following CNAMEs', async () => {
    const server = await fixture.serve({ dnsNames: ['one.test'] });
    fixture.dns.set('one.test', { CNAME: 'host.test' });
    fixture.dns.set('host.test', { A: ['127.0.0.1'] });
    await get(fixture.client(), `one.test:${server.port}`);
    expect(server.seen).toMatchObject([{ host: `one.test:${server.port}`, sni: 'one.test' }]);
    expect(fixture.dns.questions.toSorted()).toEqual(['A one.test', 'AAAA one.test']);
  });

  it.each(['one.test:0', 'one.test:65536', '[127.0.0.1]', '...', '-', 'user@one.test', 'one.test/path', ''])(
    'does not look for %j, which no server can be called',
    async (name) => {
      expect((await failureOf(get(fixture.client(), name))).kind).toBe('not_found');
      expect(fixture.dns.questions).toEqual([]);
    },
  );
});

describe('delegation by .well-known', () => {
  const wellKnown = async (server: unknown, headers?: Record<string, string>) => {
    const web = await serveWellKnown('one.test', server, headers);
    fixture.dns.set('one.test', { A: ['127.0.0.1'] });
    return web;
  };

  it('3.1: a literal address, with and without a port', async () => {
    const server = await fixture.serve({ ips: ['127.0.0.1'] });
    const web = await wellKnown(`127.0.0.1:${server.port}`);
    await get(fixture.client({ ports: { https: web.port, federation: 1 } }), 'one.test');
    expect(server.seen).toMatchObject([{ host: `127.0.0.1:${server.port}`, sni: null }]);
    expect(web.seen).toMatchObject([{ url: '/.well-known/matrix/server', host: 'one.test', sni: 'one.test' }]);

    const other = await wellKnown('127.0.0.1');
    await get(fixture.client({ ports: { https: other.port, federation: server.port } }), 'one.test');
    expect(server.seen[1]).toMatchObject({ host: '127.0.0.1', sni: null });
  });

  it('3.2: a name with a port', async () => {
    const server = await fixture.serve({ dnsNames: ['matrix.one.test'] });
    const web = await wellKnown(`matrix.one.test:${server.port}`);
    fixture.dns.set('matrix.one.test', { A: ['127.0.0.1'] });
    await get(fixture.client({ ports: { https: web.port, federation: 1 } }), 'one.test');
    expect(server.seen).toMatchObject([{ host: `matrix.one.test:${server.port}`, sni: 'matrix.one.test' }]);
    expect(fixture.dns.questions.filter((question) => question.startsWith('SRV'))).toEqual([]);
  });

  it.each(['_matrix-fed._tcp', '_matrix._tcp'])('3.3, 3.4: a name with SRV records of %s', async (service) => {
    const server = await fixture.serve({ dnsNames: ['matrix.one.test'] });
    const web = await wellKnown('matrix.one.test');
    fixture.dns.set(`${service}.matrix.one.test`, { SRV: [{ name: 'host.test', port: server.port }] });
    fixture.dns.set('host.test', { A: ['127.0.0.1'] });
    await get(fixture.client({ ports: { https: web.port, federation: 1 } }), 'one.test');
    expect(server.seen).toMatchObject([{ host: 'matrix.one.test', sni: 'matrix.one.test' }]);
    expect(fixture.dns.questions).not.toContain('SRV _matrix-fed._tcp.one.test');
  });

  it('3.5: a name without SRV records, at the default port', async () => {
    const server = await fixture.serve({ dnsNames: ['matrix.one.test'] });
    const web = await wellKnown('matrix.one.test');
    fixture.dns.set('matrix.one.test', { A: ['127.0.0.1'] });
    await get(fixture.client({ ports: { https: web.port, federation: server.port } }), 'one.test');
    expect(server.seen).toMatchObject([{ host: 'matrix.one.test', sni: 'matrix.one.test' }]);
  });

  it('refuses a certificate for the first name where the delegated one must be shown', async () => {
    const server = await fixture.serve({ dnsNames: ['one.test'] });
    const web = await wellKnown(`matrix.one.test:${server.port}`);
    fixture.dns.set('matrix.one.test', { A: ['127.0.0.1'] });
    const failure = await failureOf(get(fixture.client({ ports: { https: web.port, federation: 1 } }), 'one.test'));
    expect(failure).toMatchObject({ kind: 'certificate', destination: 'one.test' });
    expect(failure.message).toContain('is not good for matrix.one.test');
  });

  it('follows redirects to https, to other hosts and ports, and not without end', async () => {
    const server = await fixture.serve({ dnsNames: ['one.test'] });
    fixture.dns.set('one.test', { A: ['127.0.0.1'] });
    fixture.dns.set('www.test', { A: ['127.0.0.1'] });
    const last = await serveWellKnown('www.test', `one.test:${server.port}`);
    const first = await fixture.serve(
      { dnsNames: ['one.test'] },
      {
        answer: (request, response) => {
          const location = request.url.endsWith('/again') ? `https://www.test:${last.port}/where?x=1` : '/again';
          response.writeHead(request.url.endsWith('/again') ? 307 : 301, { location }).end();
        },
      },
    );
    await get(fixture.client({ ports: { https: first.port, federation: 1 } }), 'one.test');
    expect(server.seen).toMatchObject([{ host: `one.test:${server.port}` }]);
    expect(last.seen).toMatchObject([{ url: '/where?x=1', host: `www.test:${last.port}`, sni: 'www.test' }]);

    const circle = await fixture.serve(
      { dnsNames: ['one.test'] },
      { answer: (request, response) => void response.writeHead(302, { location: request.url }).end() },
    );
    await get(fixture.client({ ports: { https: circle.port, federation: server.port } }), 'one.test');
    expect(circle.seen.length).toBe(6);
    expect(server.seen[1]).toMatchObject({ host: 'one.test' });
  });

  it.each([
    ['no JSON', 200, 'm.server: one.test'],
    ['a list', 200, '["m.server"]'],
    ['no m.server', 200, '{"m.homeserver":"two.test"}'],
    ['a number', 200, '{"m.server":8448}'],
    ['a URL', 200, '{"m.server":"https://two.test"}'],
    ['a port that cannot be', 200, '{"m.server":"two.test:70000"}'],
    ['another status', 404, '{"m.server":"two.test:1"}'],
    ['a failure', 500, '{"m.server":"two.test:1"}'],
    ['an endless answer', 200, `{"m.server":"two.test:1","x":"${'x'.repeat(60_000)}"}`],
  ])('counts %s as no answer, and goes on with SRV', async (_what, status, body) => {
    const web = await fixture.serve(
      { dnsNames: ['one.test'] },
      { answer: (_request, response) => void response.writeHead(status).end(body) },
    );
    const server = await fixture.serve({ dnsNames: ['one.test'] });
    fixture.dns.set('one.test', { A: ['127.0.0.1'] });
    fixture.dns.set('_matrix-fed._tcp.one.test', { SRV: [{ name: 'one.test', port: server.port }] });
    await get(fixture.client({ ports: { https: web.port, federation: 1 } }), 'one.test');
    expect(web.seen.length).toBe(1);
    expect(server.seen).toMatchObject([{ host: 'one.test', sni: 'one.test' }]);
  });

  it('does not follow a redirect away from https', async () => {
    const server = await fixture.serve({ dnsNames: ['one.test'] });
    fixture.dns.set('one.test', { A: ['127.0.0.1'] });
    const web = await fixture.serve(
      { dnsNames: ['one.test'] },
      { answer: (_request, response) => void response.writeHead(302, { location: 'http://one.test/' }).end() },
    );
    await get(fixture.client({ ports: { https: web.port, federation: server.port } }), 'one.test');
    expect([web.seen.length, server.seen.length]).toEqual([1, 1]);
  });

  it('asks once for many requests at a time, and not again while the answer holds', async () => {
    const server = await fixture.serve({ dnsNames: ['one.test'] });
    const web = await wellKnown(`one.test:${server.port}`, { 'cache-control': 'max-age=3600' });
    const client = fixture.client({ ports: { https: web.port, federation: 1 } });
    await Promise.all(Array.from({ length: 10 }, () => get(client, 'one.test')));
    await get(client, 'one.test');
    expect(server.seen.length).toBe(11);
    expect(web.seen.length).toBe(1);
    expect(fixture.metrics.value('thalamus_federation_client_resolutions', { outcome: 'port' })).toBe(1);
    expect(fixture.metrics.value('thalamus_federation_client_requests', { outcome: 'answered' })).toBe(11);
  });

  it('goes on without .well-known when its host is silent', async () => {
    const web = await fixture.serve({ dnsNames: ['one.test'] }, { answer: () => undefined });
    const server = await fixture.serve({ dnsNames: ['one.test'] });
    fixture.dns.set('one.test', { A: ['127.0.0.1'] });
    const client = fixture.client({
      ports: { https: web.port, federation: server.port },
      limits: { wellKnownTimeoutMs: 100 },
    });
    await get(client, 'one.test');
    expect(web.seen.length).toBe(1);
    expect(server.seen.length).toBe(1);
  });
});

describe('SRV records', () => {
  it.each(['_matrix-fed._tcp', '_matrix._tcp'])(
    '4, 5: %s of the server name, whose certificate must be shown',
    async (service) => {
      const server = await fixture.serve({ dnsNames: ['one.test'] });
      fixture.dns.set(`${service}.one.test`, { SRV: [{ name: 'host.test', port: server.port }] });
      fixture.dns.set('host.test', { A: ['127.0.0.1'] });
      await get(fixture.client(), 'one.test');
      expect(server.seen).toMatchObject([{ host: 'one.test', sni: 'one.test' }]);
    },
  );

  it('refuses a certificate for the target of the record', async () => {
    const server = await fixture.serve({ dnsNames: ['host.test'] });
    fixture.dns.set('_matrix-fed._tcp.one.test', { SRV: [{ name: 'host.test', port: server.port }] });
    fixture.dns.set('host.test', { A: ['127.0.0.1'] });
    const failure = await failureOf(get(fixture.client(), 'one.test'));
    expect(failure.kind).toBe('certificate');
    expect(failure.message).toContain('is not good for one.test');
  });

  it('prefers the registered service to the deprecated one', async () => {
    const server = await fixture.serve({ dnsNames: ['one.test'] });
    fixture.dns.set('_matrix-fed._tcp.one.test', { SRV: [{ name: 'host.test', port: server.port }] });
    fixture.dns.set('_matrix._tcp.one.test', { SRV: [{ name: 'host.test', port: 1 }] });
    fixture.dns.set('host.test', { A: ['127.0.0.1'] });
    await get(fixture.client(), 'one.test');
    expect(fixture.dns.questions).not.toContain('SRV _matrix._tcp.one.test');
  });

  it('tries the targets by priority until one is there', async () => {
    const server = await fixture.serve({ dnsNames: ['one.test'] });
    fixture.dns.set('_matrix-fed._tcp.one.test', {
      SRV: [
        { name: 'last.test', port: server.port, priority: 30 },
        { name: 'gone.test', port: 8448, priority: 10 },
        { name: 'closed.test', port: 1, priority: 20 },
      ],
    });
    fixture.dns.set('closed.test', { A: ['127.0.0.1'] });
    fixture.dns.set('last.test', { A: ['127.0.0.1'] });
    await get(fixture.client(), 'one.test');
    expect(server.seen.length).toBe(1);
    const asked = fixture.dns.questions.filter((question) => /^A (gone|closed|last)/.test(question));
    expect(asked).toEqual(['A gone.test', 'A closed.test', 'A last.test']);
  });

  it('says what was wrong with each target when none is there', async () => {
    fixture.dns.set('_matrix-fed._tcp.one.test', {
      SRV: [
        { name: 'gone.test', port: 8448, priority: 10 },
        { name: 'closed.test', port: 1, priority: 20 },
      ],
    });
    fixture.dns.set('closed.test', { A: ['127.0.0.1'] });
    const failure = await failureOf(get(fixture.client(), 'one.test'));
    expect(failure.kind).toBe('unreachable');
    expect(failure.message).toBe(
      'one.test: gone.test has no address: no such name, or none with A or AAAA records; 127.0.0.1:1 refused the connection',
    );
  });

  it('believes a record that says there is no such service', async () => {
    fixture.dns.set('_matrix-fed._tcp.one.test', { SRV: [{ name: '.', port: 0 }] });
    fixture.dns.set('one.test', { A: ['127.0.0.1'] });
    const failure = await failureOf(get(fixture.client(), 'one.test'));
    expect(failure.kind).toBe('not_found');
    expect(failure.message).toContain('it offers no federation');
  });

  it('asks again when nobody was there', async () => {
    const server = await fixture.serve({ dnsNames: ['one.test'] });
    fixture.dns.set('one.test', { A: ['127.0.0.1'] });
    fixture.dns.set('_matrix-fed._tcp.one.test', { SRV: [{ name: 'one.test', port: 1 }] });
    const client = fixture.client();
    expect((await failureOf(get(client, 'one.test'))).kind).toBe('unreachable');
    fixture.dns.set('_matrix-fed._tcp.one.test', { SRV: [{ name: 'one.test', port: server.port }] });
    await get(client, 'one.test');
    expect(server.seen.length).toBe(1);
  });
});

describe('the default port', () => {
  it('6: is where a server without any of these is', async () => {
    const server = await fixture.serve({ dnsNames: ['one.test'] });
    fixture.dns.set('one.test', { A: ['127.0.0.1'] });
    await get(fixture.client({ ports: { https: 1, federation: server.port } }), 'one.test');
    expect(server.seen).toMatchObject([{ host: 'one.test', sni: 'one.test' }]);
    expect(fixture.dns.questions).toContain('SRV _matrix-fed._tcp.one.test');
    expect(fixture.dns.questions).toContain('SRV _matrix._tcp.one.test');
  });

  it('is tried, too, when the DNS fails for services and knows the address', async () => {
    const server = await fixture.serve({ dnsNames: ['one.test'] });
    fixture.dns.set('one.test', { A: ['127.0.0.1'] });
    for (const service of ['_matrix-fed._tcp', '_matrix._tcp'])
      fixture.dns.set(`${service}.one.test`, { fault: 'SERVFAIL' });
    await get(fixture.client({ ports: { https: 1, federation: server.port } }), 'one.test');
    expect(server.seen.length).toBe(1);
  });
});

describe('addresses', () => {
  it('tries each address of a name', async () => {
    const server = await fixture.serve({ dnsNames: ['one.test'] });
    fixture.dns.set('one.test', { A: ['127.0.0.2', '127.0.0.3', '127.0.0.1'], AAAA: ['::1'] });
    await get(fixture.client(), `one.test:${server.port}`);
    expect(server.seen.length).toBe(1);
  });

  it('does not wait for the DNS about one family when it knows the other', async () => {
    const server = await fixture.serve({ dnsNames: ['one.test'] });
    fixture.dns.set('one.test', { A: ['127.0.0.1'] });
    fixture.dns.delay('AAAA', 3000);
    const before = performance.now();
    await get(fixture.client(), `one.test:${server.port}`);
    expect(performance.now() - before).toBeLessThan(2000);
  });

  it.each([
    ['no such name', 'two.test', {}, 'not_found', 'two.test has no address'],
    ['no address', 'one.test', {}, 'not_found', 'one.test has no address'],
    ['a DNS server that fails', 'one.test', { fault: 'SERVFAIL' }, 'not_found', 'the DNS servers failed for one.test'],
    [
      'a DNS server that is silent',
      'one.test',
      { fault: 'silent' },
      'timeout',
      'the DNS servers did not answer about one.test',
    ],
  ] as const)('tells apart: %s', async (_what, name, records, kind, words) => {
    fixture.dns.set('one.test', records);
    const failure = await failureOf(get(fixture.client({ limits: { dnsTimeoutMs: 150 } }), `${name}:8448`));
    expect(failure.kind).toBe(kind);
    expect(failure.message).toContain(`${name}:8448: ${words}`);
  });
});
