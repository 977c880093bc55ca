/**
 * A certificate authority of one's own: real X.509 certificates (P-256) for any name, address and validity, made in the process.
 *
 * For tests and demonstrations only. Written with node:crypto and a few lines of DER, so that neither openssl nor a package is needed.
 */
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIP, SocketAddress } from 'node:net';
import {
  bitString,
  boolean,
  explicit,
  implicit,
  integer,
  objectIdentifier,
  octetString,
  sequence,
  set,
  time,
  utf8String,
} from './der.ts';

export interface CertificateOptions {
  readonly dnsNames?: readonly string[];
  readonly ips?: readonly string[];
  /** Default: a day ago. */
  readonly notBefore?: Date;
  /** Default: in ten years. */
  readonly notAfter?: Date;
  /** Default: the first name or address. */
  readonly commonName?: string;
}

/** PEM texts, as `tls.createServer` and files want them. */
export interface IssuedCertificate {
  readonly cert: string;
  readonly key: string;
  /** The authority's certificate. */
  readonly ca: string;
}

export interface Authority {
  readonly cert: string;
  issue(options: CertificateOptions): IssuedCertificate;
}

const DAY_MS = 86_400_000;
const ECDSA_WITH_SHA256 = sequence(objectIdentifier('1.2.840.10045.4.3.2'));

export function createAuthority(commonName = 'Test authority'): Authority {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const keyId = keyIdOf(keys.publicKey);
  const issuer = { name: commonName, key: keys.privateKey };
  const cert = certificate({
    issuer,
    subject: commonName,
    publicKey: keys.publicKey,
    notBefore: new Date(Date.now() - DAY_MS),
    notAfter: new Date(Date.now() + 3650 * DAY_MS),
    extensions: [
      extension('2.5.29.19', true, sequence(boolean(true))), // basicConstraints: an authority
      extension('2.5.29.15', true, bitString(Buffer.from([0x06]), 1)), // keyUsage: signs certificates and revocations
      extension('2.5.29.14', false, octetString(keyId)), // subjectKeyIdentifier
    ],
  });
  return {
    cert,
    issue(options) {
      const own = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const names = [...(options.dnsNames ?? []), ...(options.ips ?? [])];
      const issued = certificate({
        issuer,
        subject: options.commonName ?? names[0] ?? 'nobody',
        publicKey: own.publicKey,
        notBefore: options.notBefore ?? new Date(Date.now() - DAY_MS),
        notAfter: options.notAfter ?? new Date(Date.now() + 3650 * DAY_MS),
        extensions: [
          extension('2.5.29.19', true, sequence()), // basicConstraints: no authority
          extension('2.5.29.15', true, bitString(Buffer.from([0x80]), 7)), // keyUsage: digitalSignature
          extension('2.5.29.37', false, sequence(objectIdentifier('1.3.6.1.5.5.7.3.1'))), // extKeyUsage: serverAuth
          extension('2.5.29.35', false, sequence(implicit(0, keyId))), // authorityKeyIdentifier
          ...(names.length > 0 ? [extension('2.5.29.17', false, alternativeNames(options))] : []),
        ],
      });
      return { cert: issued, key: own.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), ca: cert };
    },
  };
}

interface CertificateParts {
  readonly issuer: { readonly name: string; readonly key: KeyObject };
  readonly subject: string;
  readonly publicKey: KeyObject;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly extensions: readonly Buffer[];
}

/** RFC 5280, section 4.1. */
function certificate(parts: CertificateParts): string {
  const toBeSigned = sequence(
    explicit(0, integer(Buffer.from([2]))), // version 3
    integer(Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    ECDSA_WITH_SHA256,
    distinguishedName(parts.issuer.name),
    sequence(time(parts.notBefore), time(parts.notAfter)),
    distinguishedName(parts.subject),
    parts.publicKey.export({ type: 'spki', format: 'der' }),
    explicit(3, sequence(...parts.extensions)),
  );
  const signature = sign('sha256', toBeSigned, parts.issuer.key);
  const whole = sequence(toBeSigned, ECDSA_WITH_SHA256, bitString(signature));
  const lines = whole.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function distinguishedName(commonName: string): Buffer {
  return sequence(set(sequence(objectIdentifier('2.5.4.3'), utf8String(commonName))));
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  return sequence(objectIdentifier(id), ...(critical ? [boolean(true)] : []), octetString(value));
}

function alternativeNames(options: CertificateOptions): Buffer {
  return sequence(
    ...(options.dnsNames ?? []).map((name) => implicit(2, Buffer.from(name, 'ascii'))),
    ...(options.ips ?? []).map((address) => implicit(7, addressBytes(address))),
  );
}

function keyIdOf(key: KeyObject): Buffer {
  return createHash('sha1')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest();
}

/** 4 or 16 bytes. */
function addressBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number));
  if (isIP(address) !== 6) throw new TypeError(`${address} is not an address`);
  const [head = '', tail] = new SocketAddress({ address, family: 'ipv6' }).address.split('::');
  const words = (part: string) => (part === '' ? [] : part.split(':').map((word) => Number.parseInt(word, 16)));
  const left = words(head);
  const right = tail === undefined ? [] : words(tail);
  const middle = Array.from({ length: 8 - left.length - right.length }, () => 0);
  return Buffer.from([...left, ...middle, ...right].flatMap((word) => [word >> 8, word & 0xff]));
}
