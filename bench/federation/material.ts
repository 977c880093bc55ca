/**
 * What servers of the federation benchmarks have in common: names, a certificate for all of them, and signing keys.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type SigningKey, signingKeyOf } from '../../src/federation/signing/ed25519.ts';
import { createAuthority } from '../../test/support/certificates.ts';

/** The server that is measured, and the hub in its place. */
export const MEASURED_NAME = 'bench.test';
export const LIVE_DOMAIN = 'live.test';
export const DEAD_DOMAIN = 'dead.test';

/** Files in a folder of their own. */
export interface Material {
  readonly dir: string;
  readonly certPath: string;
  readonly keyPath: string;
  readonly caPath: string;
  /** PEM. */
  readonly ca: string;
  remove(): void;
}

export function createMaterial(): Material {
  const dir = mkdtempSync(join(tmpdir(), 'thalamus-bench-tls-'));
  const { cert, key, ca } = createAuthority().issue({
    dnsNames: [MEASURED_NAME, `*.${LIVE_DOMAIN}`],
    ips: ['127.0.0.1'],
  });
  const material = {
    dir,
    ca,
    certPath: join(dir, 'tls.pem'),
    keyPath: join(dir, 'tls.key'),
    caPath: join(dir, 'ca.pem'),
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
  writeFileSync(material.certPath, cert);
  writeFileSync(material.keyPath, key);
  writeFileSync(material.caPath, ca);
  return material;
}

/** Always the same for a number, so that hub and load generator agree without a word. */
export function signingKeyNumber(number: number): SigningKey {
  const seed = Buffer.alloc(32);
  seed.writeUInt32BE(number + 1, 28);
  return signingKeyOf('bench', seed);
}

/** Keys of a configuration that finds and trusts the servers of `material`. */
export function trustingConfig(material: Material): Record<string, unknown> {
  return {
    tls_certificate_path: material.certPath,
    tls_private_key_path: material.keyPath,
    federation_custom_ca_list: [material.caPath],
    ip_range_whitelist: ['127.0.0.0/8'],
  };
}
