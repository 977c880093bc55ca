/**
 * The first start in an empty folder: a configuration that works, and what to try with it.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeConfig } from '../config/write-config.ts';

/** Where `start` looks without `-c`, in the working directory. */
export const DEFAULT_CONFIG_FILE = 'thalamus.yaml';

const EXAMPLE = '../../examples/custom-presence-router/custom-presence-router.ts';

/** Writes the configuration for trying things out. @throws what `node:fs` throws */
export function writeFirstConfig(file: string): void {
  const example = fileURLToPath(new URL(EXAMPLE, import.meta.url));
  const text = writeConfig({
    serverName: 'localhost',
    module: existsSync(example) ? pathFrom(dirname(resolve(file)), example) : null,
    purpose: 'trial',
  });
  writeFileSync(file, text, { flag: 'wx' });
}

/** What to do next, with lines that can be pasted into a second terminal. */
export function nextSteps(baseUrl: string, file: string): string {
  const api = `${baseUrl}/_matrix/client/v3`;
  const register = (name: string): string =>
    `curl -s ${api}/register -d '{"username":"${name}","password":"${name}-secret","auth":{"type":"m.login.dummy"}}'`;
  const token = `| sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/'`;
  return `
Thalamus runs at ${baseUrl}. Its configuration is ${file}, written just now, with a comment on every line.

Try it in a second terminal. Make two users, and keep their access tokens:

  ALICE=$(${register('alice')} ${token})
  BOB=$(${register('bob')} ${token})

Let Bob be online, and let Alice look. They share no room: the module of the configuration lets her see him.

  curl -s -X PUT ${api}/presence/@bob:localhost/status -H "Authorization: Bearer $BOB" -d '{"presence":"online","status_msg":"hello"}'
  curl -s ${api}/presence/@bob:localhost/status -H "Authorization: Bearer $ALICE"

Why she sees him: thalamus explain @alice:localhost @bob:localhost, in this folder. In a source checkout it is node bin/thalamus.js explain …

Then: any Matrix client can log in at ${baseUrl}. Your own module: docs/guide/your-first-router.md. Every key: docs/reference/config.md.
Stop with Ctrl-C; the users are still there at the next start.
`;
}

function pathFrom(folder: string, file: string): string {
  const path = relative(folder, file).replaceAll('\\', '/');
  if (path.startsWith('..') || /^([a-z]:)?\//i.test(path)) return path;
  return `./${path}`;
}
