/**
 * `thalamus register-user`: makes an account on a running server, by the secret that both know.
 *
 * Speaks the reference server's shared-secret registration, so it also works against that one, and its tool against ours.
 */
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Config } from '../../config/config.ts';
import { loadConfig } from '../../config/load-config.ts';
import { ask, readAll } from '../ask.ts';
import { ExitCode } from '../exit-codes.ts';
import { explainFailure } from '../explain-failure.ts';
import { type JsonResponse, sendJson } from '../http-json.ts';
import type { Terminal } from '../terminal.ts';

export interface RegisterUserOptions {
  readonly user?: string;
  readonly password?: string;
  readonly passwordFile?: string;
  /** Undefined: asked for on a terminal, else no. */
  readonly admin?: boolean;
  readonly sharedSecret?: string;
  readonly config?: string;
}

const DEFAULT_URL = 'http://127.0.0.1:8008';
const PATH = '/_synapse/admin/v1/register';

export async function registerUser(
  url: string | undefined,
  options: RegisterUserOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  let config: Config | null = null;
  try {
    if (options.config !== undefined) ({ config } = loadConfig(options.config));
  } catch (error) {
    const { exitCode, lines } = explainFailure(error, null);
    for (const line of lines) terminal.complain(line);
    return exitCode;
  }
  const secret = options.sharedSecret ?? config?.registration.sharedSecret ?? null;
  if (secret === null) {
    terminal.complain(
      config === null
        ? 'the secret is missing: name the configuration with -c, or give the secret with -k'
        : `${options.config ?? ''} has no registration_shared_secret; add one and restart the server, or give one with -k`,
    );
    return ExitCode.CONFIG;
  }
  const address = url ?? addressFrom(config) ?? DEFAULT_URL;
  if (!URL.canParse(address) || !/^https?:$/.test(new URL(address).protocol)) {
    terminal.complain(`${address} is no address of a server, such as ${DEFAULT_URL}`);
    return ExitCode.CONFIG;
  }

  const answers = await collectAnswers(options, terminal);
  if (typeof answers === 'string') {
    terminal.complain(answers);
    return ExitCode.CONFIG;
  }
  return await register(new URL(PATH, address), answers, secret, terminal);
}

interface Answers {
  readonly user: string;
  readonly password: string;
  readonly admin: boolean;
}

/** What the options leave out, from whoever sits at the terminal; or what is missing, in words. */
async function collectAnswers(options: RegisterUserOptions, terminal: Terminal): Promise<Answers | string> {
  const isTerminal = terminal.stdin.isTTY && terminal.stdout.isTTY;
  const user = options.user ?? (isTerminal ? await ask('User name (without @ and server): ', terminal) : null);
  if (user === null || user === '') return 'the user name is missing: give it with -u';

  let password = options.password ?? null;
  if (password === null && options.passwordFile !== undefined) {
    try {
      password = readFileSync(options.passwordFile, 'utf8').replace(/\r?\n$/, '');
    } catch (error) {
      return `the password file cannot be read: ${error instanceof Error ? error.message : String(error)}`;
    }
  }
  if (password === null && isTerminal) {
    password = await ask('Password: ', terminal, { hidden: true });
    if (password !== (await ask('The same again: ', terminal, { hidden: true }))) return 'the two passwords differ';
  }
  password ??= await readAll(terminal);
  if (password === '')
    return 'the password is missing: give it with -p, in a file with --password-file, or on the standard input';

  let admin = options.admin;
  if (admin === undefined && isTerminal) admin = /^y(es)?$/i.test((await ask('Administrator? [no] ', terminal)) ?? '');
  return { user, password, admin: admin ?? false };
}

async function register(
  url: URL,
  { user, password, admin }: Answers,
  secret: string,
  terminal: Terminal,
): Promise<ExitCode> {
  const username = user.replace(/^@([^:]+)(:.*)?$/, '$1');
  let response: JsonResponse;
  try {
    response = await sendJson('GET', url);
    const { nonce } = response.body;
    if (response.status === 200 && typeof nonce === 'string') {
      const mac = createHmac('sha1', secret)
        .update([nonce, username, password, admin ? 'admin' : 'notadmin'].join('\0'))
        .digest('hex');
      response = await sendJson('POST', url, { nonce, username, password, admin, mac });
    }
  } catch (error) {
    const reason =
      error instanceof Error ? error.message || String('code' in error ? error.code : error.name) : String(error);
    terminal.complain(`no server answers at ${url.origin}: ${reason}`);
    return ExitCode.FAILURE;
  }
  const { body, status } = response;
  if (status === 200 && typeof body['user_id'] === 'string') {
    terminal.print(`${body['user_id']} is registered${admin ? ', as an administrator' : ''}`);
    return ExitCode.OK;
  }
  if (/\bmac\b/i.test(String(body['error']))) {
    terminal.complain(`${url.origin} refused: the secret is not the registration_shared_secret of that server`);
    return ExitCode.FAILURE;
  }
  const reason =
    typeof body['error'] === 'string' ? `${body['error']} (${String(body['errcode'])})` : `HTTP status ${status}`;
  terminal.complain(`${url.origin} refused: ${reason}`);
  return ExitCode.FAILURE;
}

/** The first listener with the client API that this machine can reach. */
function addressFrom(config: Config | null): string | null {
  const listener = config?.listeners.find(({ resources, port }) => resources.includes('client') && port !== 0);
  if (listener === undefined) return null;
  const [bound = '127.0.0.1'] = listener.bindAddresses;
  const host = bound === '0.0.0.0' || bound === '::' ? '127.0.0.1' : bound;
  return `${listener.tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${listener.port}`;
}
