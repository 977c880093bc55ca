/**
 * Private and special addresses are not connected to, whichever way a name leads there.
 */
import { createServer, type Server } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { failureOf, get, type PeerClientFixture, startPeerClientFixture } from '../support/peer-client-fixture.ts';
import { until } from '../support/until.ts';

let fixture: PeerClientFixture;
/** Something private, which notices when somebody connects. */
let secret: { server: Server; port: number; visits: number };

beforeEach(async () => {
  fixture = await startPeerClientFixture();
  const server = createServer((socket) => {
    secret.visits++;
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  secret = { server, port: typeof address === 'object' ? (address?.port ?? 0) : 0, visits: 0 };
});
afterEach(async () => {
  await new Promise<void>((resolve) => secret.server.close(() => resolve()));
  await fixture[Symbol.asyncDispose]();
});

describe('by default', () => {
  it.each([
    '127.0.0.1',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '[::127.0.0.1]',
    '[64:ff9b::7f00:1]',
    '[2002:7f00:1::]',
    '0.0.0.0',
    '[::]',
  ])('refuses the literal address %s', async (address) => {
    const failure = await failureOf(get(fixture.client({ ipRangeWhitelist: [] }), `${address}:${secret.port}`));
    expect(failure.kind).toBe('refused');
    expect(failure.message).toContain('ip_range_blacklist');
    expect(secret.visits).toBe(0);
  });

  it('refuses names that stand for such an address, and names it', async () => {
    fixture.dns.set('inside.test', { A: ['127.0.0.1'], AAAA: ['::1', '::ffff:10.1.2.3'] });
    const client = fixture.client({ ipRangeWhitelist: [] });
    const failure = await failureOf(get(client, `inside.test:${secret.port}`));
    expect(failure.kind).toBe('refused');
    expect(failure.message).toMatch(
      /^inside\.test:\d+: inside\.test is .*127\.0\.0\.1.*: in a range of addresses that is not/,
    );
    expect(secret.visits).toBe(0);
  });

  it('refuses targets of SRV records and delegated names there', async () => {
    fixture.dns.set('_matrix-fed._tcp.one.test', { SRV: [{ name: 'inside.test', port: secret.port }] });
    fixture.dns.set('inside.test', { A: ['127.0.0.1'] });
    expect((await failureOf(get(fixture.client({ ipRangeWhitelist: [] }), 'one.test'))).kind).toBe('refused');
    expect(secret.visits).toBe(0);
  });

  it('uses the other addresses of a name that has both', async () => {
    const server = await fixture.serve({ dnsNames: ['both.test'] });
    fixture.dns.set('both.test', { A: ['127.0.0.2', '127.0.0.1'] });
    const client = fixture.client({ ipRangeBlacklist: ['127.0.0.2'], ipRangeWhitelist: [] });
    await get(client, `both.test:${server.port}`);
    expect(server.seen.length).toBe(1);
  });
});

describe('lists of ranges', () => {
  it('refuses what the configuration names, and nothing else', async () => {
    const server = await fixture.serve({ ips: ['127.0.0.1'] });
    const port = server.port;
    await get(fixture.client({ ipRangeBlacklist: ['10.0.0.0/8'], ipRangeWhitelist: [] }), `127.0.0.1:${port}`);
    const failure = await failureOf(
      get(fixture.client({ ipRangeBlacklist: ['127.0.0.1'], ipRangeWhitelist: [] }), `127.0.0.1:${port}`),
    );
    expect(failure.kind).toBe('refused');
    expect(server.seen.length).toBe(1);
  });

  it('refuses the unspecified address even then: it is this very machine', async () => {
    const client = fixture.client({ ipRangeBlacklist: [], ipRangeWhitelist: [] });
    expect((await failureOf(get(client, `0.0.0.0:${secret.port}`))).kind).toBe('refused');
    expect(secret.visits).toBe(0);
  });

  it('does not start with a range that is none', () => {
    expect(() => fixture.client({ ipRangeBlacklist: ['10.0.0/8'] })).toThrow('10.0.0/8 is no range of addresses');
  });
});

describe('on the way', () => {
  it('refuses redirects of .well-known to such an address, literal or named', async () => {
    fixture.dns.set('inside.test', { A: ['127.0.0.1'] });
    fixture.dns.set('one.test', { A: ['127.0.0.3'] });
    const server = await fixture.serve({ dnsNames: ['one.test'] }, { address: '127.0.0.3' });
    for (const host of ['127.0.0.1', 'inside.test', '[::ffff:7f00:1]', '2130706433', '0x7f.1']) {
      const web = await fixture.serve(
        { dnsNames: ['one.test'] },
        {
          address: '127.0.0.3',
          answer: (_request, response) =>
            void response.writeHead(302, { location: `https://${host}:${secret.port}/` }).end(),
        },
      );
      const client = fixture.client({
        ipRangeWhitelist: ['127.0.0.3'],
        ports: { https: web.port, federation: server.port },
      });
      await get(client, 'one.test');
      expect(web.seen.length).toBe(1);
    }
    expect(server.seen.length).toBe(5);
    expect(secret.visits).toBe(0);
  });

  it('does not follow redirects of requests at all', async () => {
    const server = await fixture.serve(
      { ips: ['127.0.0.1'] },
      {
        answer: (_request, response) =>
          void response.writeHead(307, { location: `https://127.0.0.1:${secret.port}/` }).end('{}'),
      },
    );
    expect((await get(fixture.client(), `127.0.0.1:${server.port}`)).httpStatus).toBe(307);
    expect(secret.visits).toBe(0);
  });

  it('looks at the address of every new connection: a name may change what it stands for', async () => {
    const server = await fixture.serve({ dnsNames: ['rebound.test'] }, { address: '127.0.0.3' });
    fixture.dns.set('rebound.test', { A: ['127.0.0.3'] });
    const client = fixture.client({ ipRangeWhitelist: ['127.0.0.3'] });
    await get(client, `rebound.test:${server.port}`);
    fixture.dns.set('rebound.test', { A: ['127.0.0.1'] });
    server.drop();
    await until(() => server.open === 0 && fixture.metrics.value('thalamus_federation_client_connections') === 0);
    expect((await failureOf(get(client, `rebound.test:${server.port}`))).kind).toBe('refused');
    expect(server.seen.length).toBe(1);
  });
});

describe('federation_domain_whitelist', () => {
  it('refuses all other servers before looking for them', async () => {
    const server = await fixture.serve({ dnsNames: ['one.test'] });
    fixture.dns.set('one.test', { A: ['127.0.0.1'] });
    const client = fixture.client({ domainWhitelist: [`one.test:${server.port}`] });
    await get(client, `one.test:${server.port}`);
    const failure = await failureOf(get(client, 'two.test'));
    expect(failure).toMatchObject({ kind: 'refused', message: 'two.test: it is not in federation_domain_whitelist' });
    expect(fixture.dns.questions.some((question) => question.includes('two.test'))).toBe(false);
    expect((await failureOf(get(fixture.client({ domainWhitelist: [] }), 'one.test'))).kind).toBe('refused');
  });
});
