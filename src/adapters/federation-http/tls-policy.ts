/**
 * How certificates of other servers are checked: by whom they must be issued, for which name, and for which servers not at all.
 *
 * Configuration: `federation_verify_certificates`, `federation_certificate_verification_whitelist`, `federation_custom_ca_list`.
 */
import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { type ConnectionOptions, checkServerIdentity, createSecureContext, type PeerCertificate } from 'node:tls';

export interface TlsPolicyOptions {
  readonly verifyCertificates: boolean;
  /** Names in which `*` stands for anything. */
  readonly certificateVerificationWhitelist: readonly string[];
  /** PEM, instead of the built-in ones; null: those. */
  readonly customCas: readonly string[] | null;
}

export interface TlsPolicy {
  /** @param tlsName - a DNS name, or an address without brackets, that the certificate must be for */
  optionsFor(tlsName: string): ConnectionOptions;
}

export function createTlsPolicy(options: TlsPolicyOptions): TlsPolicy {
  // One context for all connections: reading a list of authorities takes milliseconds.
  const secureContext = createSecureContext(options.customCas === null ? {} : { ca: [...options.customCas] });
  const unchecked = options.certificateVerificationWhitelist.map(globExpression);
  return {
    optionsFor(tlsName) {
      const name = tlsName.replace(/\.$/, '').toLowerCase();
      return {
        secureContext,
        // An address is never sent as a name (RFC 6066, section 3).
        ...(isIP(name) === 0 ? { servername: name } : {}),
        ALPNProtocols: ['http/1.1'],
        rejectUnauthorized: options.verifyCertificates && !unchecked.some((glob) => glob.test(name)),
        checkServerIdentity: (_host, certificate) => checkName(name, certificate),
      };
    },
  };
}

/**
 * A common name does not count (RFC 9525, section 2), though Node would take it where there is nothing else. Addresses are left to
 * OpenSSL, because versions of Node differ about IPv6.
 */
function checkName(name: string, certificate: PeerCertificate): Error | undefined {
  const { subjectaltname } = certificate;
  if (subjectaltname === undefined) return new Error('it names no host: it has no subjectAltName');
  if (isIP(name) === 0) return checkServerIdentity(name, certificate);
  if (new X509Certificate(certificate.raw).checkIP(name) !== undefined) return undefined;
  return new Error(`it is for ${subjectaltname}`);
}

function globExpression(glob: string): RegExp {
  const parts = glob.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 'i');
}
