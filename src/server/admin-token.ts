/**
 * The token of the admin API: from the environment, else the first line of a file, which a start makes if it is missing.
 *
 * Treated like a signing key: a file that is made is for this user's eyes only, and an existing one is never written to. No message has
 * a part of the token.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { adminTokenProblem } from '../config/build-admin-api.ts';
import type { AdminApiConfig } from '../config/config.ts';
import { ConfigError } from '../errors.ts';

const CONFIG_PATH = ['admin_api', 'token_path'] as const;
/** 256 bits. */
const TOKEN_BYTES = 32;

/** Reads the token. @throws ConfigError that names the file */
export function readAdminToken({ token, tokenPath }: AdminApiConfig): string {
  if (token !== null) return token;
  if (tokenPath === null) throw new ConfigError('the admin API has no token', CONFIG_PATH);
  return usable(tokenPath, () => {
    const [line = ''] = readFileSync(tokenPath, 'utf8')
      .replace(/^\uFEFF/, '')
      .split('\n');
    const read = line.trim();
    const problem = read === '' ? 'has no token in its first line' : adminTokenProblem(read);
    if (problem !== null) throw new ConfigError(`the first line of ${tokenPath} ${problem}`, CONFIG_PATH);
    return read;
  });
}

/** Whether the file with the token is to be made, and can be. */
export function lacksAdminToken({ token, tokenPath }: AdminApiConfig): boolean {
  return token === null && tokenPath !== null && !existsSync(tokenPath);
}

/** Makes the file with a new token, unless the token is somewhere already. Returns whether it did. @throws ConfigError */
export function makeAdminToken(settings: AdminApiConfig): boolean {
  const { tokenPath } = settings;
  if (tokenPath === null || !lacksAdminToken(settings)) return false;
  return usable(tokenPath, () => {
    const file = openSync(tokenPath, 'wx', 0o600);
    try {
      writeSync(file, `${randomBytes(TOKEN_BYTES).toString('base64url')}\n`);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    return true;
  });
}

function usable<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`the token file ${path} cannot be used: ${reason}`, CONFIG_PATH, { cause: error });
  }
}
