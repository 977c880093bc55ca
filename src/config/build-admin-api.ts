/**
 * `admin_api` and the environment → what the admin API needs, and what is wrong or risky about it.
 *
 * The token's file is read when the server starts, like a signing key: it is made if it is missing.
 */
import { resolve } from 'node:path';
import type { Config } from './config.ts';
import type { Finding } from './cross-checks.ts';
import type { ParsedFile } from './schema/index.ts';

/** Wins over `admin_api.token_path`. */
export const ADMIN_TOKEN_VARIABLE = 'THALAMUS_ADMIN_TOKEN';
const MIN_TOKEN_LENGTH = 16;
const MAX_TOKEN_LENGTH = 1000;

export type Environment = Readonly<Record<string, string | undefined>>;

export interface BuiltAdminApi {
  readonly adminApi: Config['adminApi'];
  readonly errors: readonly Finding[];
  readonly warnings: readonly Finding[];
}

export function buildAdminApi(parsed: ParsedFile, dir: string, environment: Environment): BuiltAdminApi {
  const { token_path: tokenPath } = parsed.admin_api;
  const served = [...parsed.listeners.entries()].filter(
    ([, { type, resources }]) => type === 'http' && resources.some(({ names }) => names.includes('admin')),
  );
  const [first] = served;
  if (first === undefined) {
    const unused: Finding = [['admin_api'], 'has no effect: no listener has the resource admin'];
    return { adminApi: null, errors: [], warnings: tokenPath === undefined ? [] : [unused] };
  }
  const token = environment[ADMIN_TOKEN_VARIABLE]?.trim() ?? '';
  const errors: Finding[] = [];
  if (token === '' && tokenPath === undefined) {
    const message = `the resource admin needs a token: name a file for it in admin_api.token_path, or set ${ADMIN_TOKEN_VARIABLE}`;
    errors.push([['listeners', first[0], 'resources'], message]);
  }
  const problem = token === '' ? null : adminTokenProblem(token);
  if (problem !== null) errors.push([['admin_api'], `the environment variable ${ADMIN_TOKEN_VARIABLE} ${problem}`]);
  const open = served.find(([, listener]) => !listener.tls && !addressesOf(listener).every(isLoopback));
  const readable: Finding[] =
    open === undefined
      ? []
      : [
          [
            ['listeners', open[0], 'resources'],
            'the admin API is open to other machines without TLS, so its token can be read on the way; serve it on 127.0.0.1, or with tls: true',
          ],
        ];
  return {
    adminApi: {
      token: token === '' ? null : token,
      tokenPath: tokenPath === undefined ? null : resolve(dir, tokenPath),
    },
    errors,
    warnings: readable,
  };
}

/** What is wrong with a token, as the end of a sentence; never a part of it. */
export function adminTokenProblem(token: string): string | null {
  if (token.length < MIN_TOKEN_LENGTH)
    return `is too short for a token: it must have ${MIN_TOKEN_LENGTH} characters at least`;
  if (token.length > MAX_TOKEN_LENGTH)
    return `is too long for a token: it must have ${MAX_TOKEN_LENGTH} characters at most`;
  // What can be sent in a header as it is.
  return /^[\x21-\x7e]+$/.test(token) ? null : 'is no token: it must be letters, digits and signs without spaces';
}

function addressesOf(listener: ParsedFile['listeners'][number]): readonly string[] {
  return listener.bind_address === undefined ? listener.bind_addresses : [listener.bind_address];
}

function isLoopback(address: string): boolean {
  return address === 'localhost' || address === '::1' || /^(::ffff:)?127\.\d+\.\d+\.\d+$/i.test(address);
}
