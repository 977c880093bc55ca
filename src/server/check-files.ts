/**
 * Whether the files that a start would read are in order, for `thalamus check-config`: certificate, its key, and signing keys.
 */
import { existsSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import { readSigningKeys } from '../federation/keys/signing-key-file.ts';
import { readTls } from './read-tls.ts';

/** Makes nothing: a signing key file that is not there yet is in order. Returns what is wrong, `ConfigError`s. */
export function checkFiles({ federation, tls }: Config): readonly unknown[] {
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
  return problems;
}
