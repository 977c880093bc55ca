/**
 * Reads the certificate and its key, and checks that they are a pair before anything listens with them.
 */
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { Config } from '../config/config.ts';
import { ConfigError } from '../errors.ts';
import type { TlsMaterial } from '../http/listener.ts';

/** @throws ConfigError at `tls_certificate_path` or `tls_private_key_path` */
export function readTls({ certificatePath, privateKeyPath }: NonNullable<Config['tls']>): TlsMaterial {
  const read = (path: string, key: string): Buffer => {
    try {
      return readFileSync(path);
    } catch (error) {
      throw new ConfigError(`the file cannot be read: ${messageOf(error)}`, [key], { cause: error });
    }
  };
  const material = {
    cert: read(certificatePath, 'tls_certificate_path'),
    key: read(privateKeyPath, 'tls_private_key_path'),
  };
  try {
    createSecureContext(material);
  } catch (error) {
    const message = `${certificatePath} and ${privateKeyPath} are not a certificate and its key in PEM form: ${messageOf(error)}`;
    throw new ConfigError(message, ['tls_certificate_path'], { cause: error });
  }
  return material;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
