/**
 * The DNS server that other tests find peers with answers as a real one does.
 */
import { Resolver } from 'node:dns/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { type DnsServer, startDnsServer } from '../support/dns-server.ts';

let server: DnsServer | null = null;
afterEach(async () => server?.close());

async function start(table: Parameters<typeof startDnsServer>[0]) {
  server = await startDnsServer(table);
  const resolver = new Resolver({ timeout: 200, tries: 1 });
  resolver.setServers([server.address]);
  return { server, resolver };
}

const codeOf = (error: NodeJS.ErrnoException) => error.code;

describe('startDnsServer', () => {
  it('answers A, AAAA, CNAME and SRV from its table, and NXDOMAIN for the rest', async () => {
    const { server: dns, resolver } = await start({
      'one.test': { A: ['127.0.0.1', '127.0.0.2'], AAAA: ['::1'] },
      'alias.test': { CNAME: 'one.test' },
      '_matrix-fed._tcp.one.test': { SRV: [{ name: 'one.test', port: 8449, priority: 10, weight: 5 }] },
    });
    expect(await resolver.resolve4('one.test')).toEqual(['127.0.0.1', '127.0.0.2']);
    expect(await resolver.resolve6('ONE.test')).toEqual(['::1']);
    expect(await resolver.resolve4('alias.test')).toEqual(['127.0.0.1', '127.0.0.2']);
    expect(await resolver.resolveSrv('_matrix-fed._tcp.one.test')).toMatchObject([
      { name: 'one.test', port: 8449, priority: 10, weight: 5 },
    ]);
    expect(await resolver.resolveSrv('one.test').catch(codeOf)).toBe('ENODATA');
    expect(await resolver.resolve4('two.test').catch(codeOf)).toBe('ENOTFOUND');
    dns.set('two.test', { A: ['127.0.0.3'] });
    expect(await resolver.resolve4('two.test')).toEqual(['127.0.0.3']);
    expect(dns.questions).toContain('SRV _matrix-fed._tcp.one.test');
  });

  it('can fail, be silent and be slow', async () => {
    const { resolver } = await start({
      'broken.test': { fault: 'SERVFAIL' },
      'silent.test': { fault: 'silent' },
      'slow.test': { A: ['127.0.0.1'], delayMs: 60 },
    });
    expect(await resolver.resolve4('broken.test').catch(codeOf)).toBe('ESERVFAIL');
    expect(await resolver.resolve4('silent.test').catch(codeOf)).toBe('ETIMEOUT');
    const before = performance.now();
    expect(await resolver.resolve4('slow.test')).toEqual(['127.0.0.1']);
    expect(performance.now() - before).toBeGreaterThan(50);
  });
});
