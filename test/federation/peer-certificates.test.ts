/**
 * Whose certificates are believed: of known authorities, for the right name, today; and the configuration's exceptions.
 */
import { createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createAuthority } from '../support/certificates.ts';
import { failureOf, get, type PeerClientFixture, startPeerClientFixture } from '../support/peer-client-fixture.ts';
import { startPeerServer } from '../support/peer-server.ts';

const DAY_MS = 86_400_000;
let fixture: PeerClientFixture;
beforeEach(async () => {
  fixture = await startPeerClientFixture();
  fixture.dns.set('one.test', { A: ['127.0.0.1'] });
  fixture.dns.set('sub.one.test', { A: ['127.0.0.1'] });
});
afterEach(async () => fixture[Symbol.asyncDispose]());

describe('certificates', () => {
  it.each([
    ['for another name', { dnsNames: ['two.test'] }, "does not match certificate's altnames"],
    ['for a part of the name', { dnsNames: ['test', '*.test.one'] }, "does not match certificate's altnames"],
    [
      'that is over',
      { dnsNames: ['one.test'], notAfter: new Date(Date.now() - DAY_MS / 2) },
      'certificate has expired',
    ],
    [
      'not yet valid',
      { dnsNames: ['one.test'], notBefore: new Date(Date.now() + DAY_MS) },
      'certificate is not yet valid',
    ],
    ['without names, by its common name', { commonName: 'one.test' }, 'not good for one.test'],
  ])('refuses one %s', async (_what, certificate, words) => {
    const server = await fixture.serve(certificate);
    const failure = await failureOf(get(fixture.client(), `one.test:${server.port}`));
    expect(failure.kind).toBe('certificate');
    expect(failure.message).toContain(words);
    expect(server.seen).toEqual([]);
  });

  it('accepts addresses however they are written, and no other ones', async () => {
    const server = await fixture.serve({ ips: ['::1', '2001:db8::7'] }, { address: '::1' });
    await get(fixture.client(), `[0:0:0:0:0:0:0:1]:${server.port}`);
    const other = await fixture.serve({ ips: ['::2', '127.0.0.1'] }, { address: '::1' });
    const failure = await failureOf(get(fixture.client(), `[::1]:${other.port}`));
    expect(failure.kind).toBe('certificate');
    expect(failure.message).toContain('it is for IP Address:0:0:0:0:0:0:0:2, IP Address:127.0.0.1');
  });

  it('accepts a wildcard for one label', async () => {
    const server = await fixture.serve({ dnsNames: ['*.one.test'] });
    await get(fixture.client(), `sub.one.test:${server.port}`);
    expect((await failureOf(get(fixture.client(), `one.test:${server.port}`))).kind).toBe('certificate');
  });

  it('refuses one of an authority that nobody knows', async () => {
    await using server = await startPeerServer(createAuthority().issue({ dnsNames: ['one.test'] }));
    const failure = await failureOf(get(fixture.client(), `one.test:${server.port}`));
    expect(failure.kind).toBe('certificate');
    expect(failure.message).toContain('UNABLE_TO_VERIFY_LEAF_SIGNATURE');
  });

  it('trusts the listed authorities instead of the usual ones, all of them', async () => {
    const other = createAuthority();
    const certificate = { dnsNames: ['one.test'] };
    await using theirs = await startPeerServer(other.issue(certificate));
    const ours = await fixture.serve(certificate);
    const both = fixture.client({ customCas: [fixture.authority.cert, other.cert] });
    await get(both, `one.test:${theirs.port}`);
    await get(both, `one.test:${ours.port}`);
    const usual = fixture.client({ customCas: null });
    expect((await failureOf(get(usual, `one.test:${ours.port}`))).kind).toBe('certificate');
  });

  it('takes any certificate without verification', async () => {
    const server = await fixture.serve({ dnsNames: ['two.test'], notAfter: new Date(Date.now() - DAY_MS / 2) });
    const client = fixture.client({ verifyCertificates: false, customCas: null });
    await get(client, `one.test:${server.port}`);
    expect(server.seen.length).toBe(1);
  });

  it('takes any certificate of servers on the list of exceptions', async () => {
    const server = await fixture.serve({ dnsNames: ['two.test'] });
    const matching = fixture.client({ certificateVerificationWhitelist: ['*.onion', '*.ONE.test'] });
    await get(matching, `sub.one.test:${server.port}`);
    expect((await failureOf(get(matching, `one.test:${server.port}`))).kind).toBe('certificate');
    // A dot is a dot, and the whole name has to match.
    const notMatching = fixture.client({ certificateVerificationWhitelist: ['one.tes', 'one?test', 'o.e.test'] });
    expect((await failureOf(get(notMatching, `one.test:${server.port}`))).kind).toBe('certificate');
  });

  it('says that a server does not speak TLS', async () => {
    const plain = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
    });
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
    const address = plain.address();
    const port = typeof address === 'object' ? address?.port : 0;
    try {
      const failure = await failureOf(get(fixture.client(), `one.test:${port}`));
      expect(failure.kind).toBe('certificate');
      expect(failure.message).toContain(`the certificate or TLS at 127.0.0.1:${port} is not good for one.test`);
      expect(failure.message).toContain('no TLS is spoken there (ERR_SSL_');
    } finally {
      plain.close();
    }
  });
});
