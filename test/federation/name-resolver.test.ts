/**
 * Names are found as the system finds them: the hosts file first, then the DNS, then what else it knows.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openHostsFile } from '../../src/adapters/federation-http/hosts-file.ts';
import { createNameResolver } from '../../src/adapters/federation-http/name-resolver.ts';
import { createSystemClock } from '../../src/adapters/system-clock.ts';
import { type DnsServer, startDnsServer } from '../support/dns-server.ts';

let dns: DnsServer;
let folder: string;
let hostsPath: string;
beforeEach(async () => {
  dns = await startDnsServer();
  folder = await mkdtemp(join(tmpdir(), 'thalamus-hosts-'));
  hostsPath = join(folder, 'hosts');
});
afterEach(async () => {
  await dns.close();
  await rm(folder, { recursive: true });
});

function resolver(asSystem: boolean, timeoutMs = 5000) {
  const hosts = openHostsFile(hostsPath);
  return createNameResolver({ clock: createSystemClock(), servers: [dns.address], asSystem, timeoutMs, hosts });
}

describe('as the system', () => {
  it('finds names in the hosts file without asking the DNS, and notices changes', async () => {
    await writeFile(hostsPath, '# ours\n127.0.0.5\tone.test One.Alias # comment\n::5 one.test\nnonsense two.test\n');
    const found = resolver(true);
    expect(await found.addresses('ONE.test')).toEqual(['127.0.0.5', '::5']);
    expect(await found.addresses('one.alias.')).toEqual(['127.0.0.5']);
    expect(dns.questions).toEqual([]);
    await writeFile(hostsPath, '127.0.0.66 one.test\n');
    expect(await found.addresses('one.test')).toEqual(['127.0.0.66']);
  });

  it('asks the DNS for others, and the system for what the DNS does not know', async () => {
    dns.set('two.test', { A: ['127.0.0.2'] });
    const found = resolver(true);
    expect(await found.addresses('two.test')).toEqual(['127.0.0.2']);
    expect((await found.addresses('localhost')).some((address) => ['127.0.0.1', '::1'].includes(address))).toBe(true);
    expect(dns.questions).toContain('A localhost');
  });

  it('does not ask the system when the DNS fails, which would wait for the same servers', async () => {
    dns.set('localhost', { fault: 'SERVFAIL' });
    await expect(resolver(true).addresses('localhost')).rejects.toMatchObject({ kind: 'not_found' });
  });
});

describe('with servers of its own', () => {
  it('asks these alone', async () => {
    await writeFile(hostsPath, '127.0.0.5 one.test\n');
    const found = resolver(false);
    await expect(found.addresses('one.test')).rejects.toMatchObject({ kind: 'not_found' });
    await expect(found.addresses('localhost')).rejects.toMatchObject({ kind: 'not_found' });
  });

  it('gives addresses of both families by turns', async () => {
    dns.set('one.test', { A: ['127.0.0.1', '127.0.0.2', '127.0.0.3'], AAAA: ['::1'] });
    expect(await resolver(false).addresses('one.test')).toEqual(['::1', '127.0.0.1', '127.0.0.2', '127.0.0.3']);
  });

  it('takes what one family brings when the other fails', async () => {
    dns.set('one.test', { A: ['127.0.0.1'] });
    dns.delay('AAAA', 2000);
    expect(await resolver(false, 300).addresses('one.test')).toEqual(['127.0.0.1']);
  });

  it('tells services that are not there from those it could not ask about', async () => {
    dns.set('_matrix._tcp.one.test', { SRV: [{ name: 'host.test', port: 8449, priority: 1, weight: 2 }] });
    dns.set('_matrix._tcp.two.test', { fault: 'silent' });
    const found = resolver(false, 150);
    expect(await found.srv('_matrix._tcp.one.test')).toEqual([
      { name: 'host.test', port: 8449, priority: 1, weight: 2 },
    ]);
    expect(await found.srv('_matrix._tcp.three.test')).toEqual([]);
    await expect(found.srv('_matrix._tcp.two.test')).rejects.toMatchObject({ kind: 'timeout' });
  });
});
