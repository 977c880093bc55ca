/**
 * Finds the admin API of a server and its token, from the configuration or from what the command line says, and asks it.
 */
import { existsSync } from 'node:fs';
import { request as requestHttp, type IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import { ADMIN_TOKEN_VARIABLE } from '../config/build-admin-api.ts';
import type { Config } from '../config/config.ts';
import { loadConfig } from '../config/load-config.ts';
import { readAdminToken } from '../server/admin-token.ts';

export interface AdminApiOptions {
  readonly config?: string;
  readonly url?: string;
  readonly tokenFile?: string;
}

export interface AdminApi {
  /** With the path of the API, and no slash at the end. */
  readonly url: string;
  readonly token: string;
  /** Where the token comes from, for people. */
  readonly tokenFrom: string;
  /** Whose certificate is expected, if not that of the address's host. */
  readonly servername: string | null;
  /** Of the configuration, for hints; null without one. */
  readonly serverName: string | null;
}

/** The server cannot be asked, or does not answer as it should; the message is complete. */
export class AdminApiError extends Error {
  override name = 'AdminApiError';
}

const ADMIN_V1 = '/_thalamus/admin/v1';
const DEFAULT_CONFIG = 'thalamus.yaml';
const TIMEOUT_MS = 60_000;
const LONGEST_ANSWER = 16 * 1024 * 1024;

/** @throws AdminApiError; ConfigError, ConfigFileError for the configuration and the token's file */
export function findAdminApi(options: AdminApiOptions): AdminApi {
  const config = findConfig(options);
  const { token, tokenFrom } = findToken(options, config);
  const serverName = config?.serverName ?? null;
  if (options.url !== undefined) {
    if (!URL.canParse(options.url) || !/^https?:$/.test(new URL(options.url).protocol)) {
      throw new AdminApiError(`${options.url} is no address of a server, such as http://127.0.0.1:8008`);
    }
    const url = `${new URL(options.url).origin}${ADMIN_V1}`;
    return { url, token, tokenFrom, servername: null, serverName };
  }
  if (config === null) throw new AdminApiError('the address is missing: name the configuration with -c, or give --url');
  return { ...addressFrom(config), token, tokenFrom, serverName };
}

function findConfig({ config, url, tokenFile }: AdminApiOptions): Config | null {
  if (config !== undefined) return loadConfig(config).config;
  if (existsSync(DEFAULT_CONFIG)) return loadConfig(DEFAULT_CONFIG).config;
  if (url !== undefined) return null;
  const missing = tokenFile === undefined ? '--url and --token-file' : '--url';
  throw new AdminApiError(`there is no ${DEFAULT_CONFIG} here: name the configuration with -c, or give ${missing}`);
}

function findToken({ tokenFile }: AdminApiOptions, config: Config | null): { token: string; tokenFrom: string } {
  if (tokenFile !== undefined) {
    return { token: readAdminToken({ token: null, tokenPath: tokenFile }), tokenFrom: tokenFile };
  }
  // oxlint-disable-next-line node/no-process-env -- a secret that is in no file
  const token = process.env[ADMIN_TOKEN_VARIABLE]?.trim() ?? '';
  if (token !== '') return { token, tokenFrom: ADMIN_TOKEN_VARIABLE };
  if (config === null) {
    throw new AdminApiError(`the token is missing: give a file with --token-file, or set ${ADMIN_TOKEN_VARIABLE}`);
  }
  const { adminApi, file } = config;
  if (adminApi === null) {
    throw new AdminApiError(
      `${file}: no listener has the resource admin. Add "admin" to the resources of one, name a file for the token in admin_api.token_path, and restart the server`,
    );
  }
  return { token: readAdminToken(adminApi), tokenFrom: adminApi.tokenPath ?? ADMIN_TOKEN_VARIABLE };
}

function addressFrom({ file, listeners, serverName }: Config): Pick<AdminApi, 'url' | 'servername'> {
  const serving = listeners.filter(({ resources }) => resources.includes('admin'));
  const listener = serving.find(({ port }) => port !== 0);
  if (listener === undefined) {
    throw new AdminApiError(
      serving.length === 0
        ? `${file}: no listener has the resource admin`
        : `${file}: the listener with the resource admin takes any free port: give its address with --url`,
    );
  }
  const [bound = '127.0.0.1'] = listener.bindAddresses;
  const host = bound === '0.0.0.0' ? '127.0.0.1' : bound === '::' ? '::1' : bound;
  const origin = `${listener.tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${listener.port}`;
  return { url: `${origin}${ADMIN_V1}`, servername: listener.tls ? serverName : null };
}

/** The JSON object of a GET. @throws AdminApiError */
export async function getAdmin(api: AdminApi, path: string): Promise<Readonly<Record<string, unknown>>> {
  const response = await open(api, path, undefined);
  const text = await readAll(response);
  return parse(api, text);
}

/** Each JSON object of a stream, until it ends or `signal` aborts. @throws AdminApiError when it cannot be opened, or breaks */
export async function* watchAdmin(
  api: AdminApi,
  path: string,
  signal: AbortSignal,
): AsyncGenerator<Readonly<Record<string, unknown>>, void, void> {
  const response = await open(api, path, signal);
  let rest = '';
  try {
    for await (const chunk of response) {
      rest += String(chunk);
      const lines = rest.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line.trim() !== '') yield parse(api, line);
      if (rest.length > LONGEST_ANSWER) throw new AdminApiError(`${originOf(api)} sends too much at once`);
    }
  } catch (error) {
    if (error instanceof AdminApiError || signal.aborted) throw error;
    throw new AdminApiError(`the connection to ${originOf(api)} has broken: ${messageOf(error)}`, { cause: error });
  }
}

/** The text of a long answer, as it comes. @throws AdminApiError when it cannot be opened, or breaks */
export async function* readAdmin(api: AdminApi, path: string, signal: AbortSignal): AsyncGenerator<string, void, void> {
  const response = await open(api, path, signal);
  try {
    for await (const chunk of response) yield String(chunk);
  } catch (error) {
    if (signal.aborted) throw error;
    throw new AdminApiError(`the connection to ${originOf(api)} has broken: ${messageOf(error)}`, { cause: error });
  }
}

/** Resolves with a 200 whose body is to be read. */
async function open(api: AdminApi, path: string, signal: AbortSignal | undefined): Promise<IncomingMessage> {
  const url = new URL(`${api.url}${path}`);
  const send = url.protocol === 'https:' ? requestHttps : requestHttp;
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const request = send(url, {
      headers: { authorization: `Bearer ${api.token}`, accept: 'application/json' },
      timeout: TIMEOUT_MS,
      agent: false,
      ...(api.servername === null ? {} : { servername: api.servername }),
      ...(signal === undefined ? {} : { signal }),
    });
    request.on('response', resolve);
    request.on('timeout', () => request.destroy(new Error(`nothing came for ${TIMEOUT_MS / 1000} s`)));
    request.on('error', reject);
    request.end();
  }).catch((error: unknown) => {
    if (signal?.aborted === true) throw error;
    throw new AdminApiError(unreachable(api, error), { cause: error });
  });
  response.setEncoding('utf8');
  if (response.statusCode === 200) return response;
  throw new AdminApiError(refusal(api, response.statusCode ?? 0, await readAll(response).catch(() => '')));
}

async function readAll(response: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of response) {
    text += String(chunk);
    if (text.length > LONGEST_ANSWER) throw new AdminApiError('the answer is too long');
  }
  return text;
}

function unreachable(api: AdminApi, error: unknown): string {
  const reason = messageOf(error);
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (/CERT|SELF_SIGNED|ALTNAME|UNABLE_TO/.test(code)) {
    return `the certificate of ${originOf(api)} is not accepted: ${reason}. Name its authority in NODE_EXTRA_CA_CERTS, or use an address without TLS with --url`;
  }
  return `no server answers at ${originOf(api)}: ${reason}. Is it running?`;
}

function refusal(api: AdminApi, status: number, text: string): string {
  const { errcode, error } = parseObject(text) ?? {};
  if (status === 401)
    return `${originOf(api)} does not take the token of ${api.tokenFrom}: it is not that of this server`;
  // What an operation of the API does not find has an errcode of its own.
  if (errcode === 'M_UNRECOGNIZED' || (status === 404 && errcode === undefined)) {
    return `${originOf(api)} has no admin API: it is served by a listener with the resource admin`;
  }
  const reason = typeof error === 'string' ? `${error} (${String(errcode)})` : `HTTP status ${status}`;
  return `${originOf(api)} refused: ${reason}`;
}

function parse(api: AdminApi, text: string): Readonly<Record<string, unknown>> {
  const object = parseObject(text);
  if (object === null) throw new AdminApiError(`${originOf(api)} does not answer as a Thalamus server does`);
  return object;
}

function parseObject(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function originOf({ url }: AdminApi): string {
  return new URL(url).origin;
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message || String('code' in error ? error.code : error.name);
}
