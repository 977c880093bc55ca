/**
 * Whether the files that a start would read are in order, for `thalamus check-config`: certificate, its key, signing keys, and the token
 * of the admin API.
 */
import { existsSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import { readSigningKeys } from '../federation/keys/signing-key-file.ts';
import { lacksAdminToken, readAdminToken } from './admin-token.ts';
import { readTls } from './read-tls.ts';

/** Makes nothing: a signing key file, or one with a token, that is not there yet is in order. Returns what is wrong, `ConfigError`s. */
export function checkFiles({ adminApi, federation, tls }: Config): readonly unknown[] {
  const problems: unknown[] = [];
  const check = (read: () => unknown): void => {
    try {
      read();
    } catch (error) {
      problems.push(error);
    }
  };
  if (tls !== null) check(() => readTls(tls));
  if (federation !== null && existsSync(federation.signingKeyPath)) {
    check(() => readSigningKeys(federation.signingKeyPath));
  }
  if (adminApi !== null && !lacksAdminToken(adminApi)) check(() => readAdminToken(adminApi));
  return problems;
}
