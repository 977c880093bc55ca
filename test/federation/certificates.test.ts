/**
 * The certificates that other tests trust, or refuse, are themselves right.
 */
import { X509Certificate } from 'node:crypto';
import { connect, createServer, type PeerCertificate } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { createAuthority } from '../support/certificates.ts';

const DAY_MS = 86_400_000;

describe('createAuthority', () => {
  it('issues certificates that carry names and addresses and that it has signed', () => {
    const authority = createAuthority();
    const issued = authority.issue({
      dnsNames: ['one.test', '*.two.test'],
      ips: ['127.0.0.1', '::1', '2001:db8::5:0:6'],
    });
    const certificate = new X509Certificate(issued.cert);
    expect(certificate.verify(new X509Certificate(authority.cert).publicKey)).toBe(true);
    expect(certificate.checkIssued(new X509Certificate(authority.cert))).toBe(true);
    expect(certificate.subjectAltName).toBe(
      'DNS:one.test, DNS:*.two.test, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, IP Address:2001:DB8:0:0:0:5:0:6',
    );
    expect(certificate.ca).toBe(false);
    expect(new X509Certificate(authority.cert).ca).toBe(true);
  });

  it('serves TLS, and a client that trusts the authority accepts the name and no other', async () => {
    const authority = createAuthority();
    const issued = authority.issue({ dnsNames: ['one.test'] });
    expect(await handshake(issued, authority.cert, 'one.test')).toBe('ok');
    expect(await handshake(issued, authority.cert, 'two.test')).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
    expect(await handshake(issued, createAuthority().cert, 'one.test')).toBe('UNABLE_TO_VERIFY_LEAF_SIGNATURE');
  });

  it('issues certificates that are over, or not yet valid', async () => {
    const authority = createAuthority();
    const over = authority.issue({ dnsNames: ['one.test'], notAfter: new Date(Date.now() - DAY_MS / 2) });
    const early = authority.issue({ dnsNames: ['one.test'], notBefore: new Date(Date.now() + DAY_MS) });
    const late = authority.issue({ dnsNames: ['one.test'], notAfter: new Date('2060-01-02T03:04:05Z') });
    expect(await handshake(over, authority.cert, 'one.test')).toBe('CERT_HAS_EXPIRED');
    expect(await handshake(early, authority.cert, 'one.test')).toBe('CERT_NOT_YET_VALID');
    expect(await handshake(late, authority.cert, 'one.test')).toBe('ok');
    expect(new X509Certificate(late.cert).validTo).toBe('Jan  2 03:04:05 2060 GMT');
  });
});

async function handshake(issued: { cert: string; key: string }, ca: string, servername: string): Promise<string> {
  const server = createServer({ cert: issued.cert, key: issued.key }, (socket) => socket.on('error', () => undefined));
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  try {
    return await new Promise((resolve) => {
      const socket = connect({ host: '127.0.0.1', port: address.port, ca, servername }, () => {
        const peer: PeerCertificate = socket.getPeerCertificate();
        resolve(peer.subjectaltname === undefined ? 'no certificate' : 'ok');
        socket.destroy();
      });
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    });
  } finally {
    server.close();
  }
}
