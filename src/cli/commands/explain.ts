/**
 * `thalamus explain`: why somebody sees somebody, or not, as a running server says; with `--watch`, again whenever it changes.
 *
 * The exit code is like grep's: 0 if the observer sees the target, 1 if not, 2 if nobody could say.
 */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { isServerName, isUserId } from '../../matrix/identifiers.ts';
import {
  type AdminApi,
  AdminApiError,
  type AdminApiOptions,
  findAdminApi,
  getAdmin,
  watchAdmin,
} from '../admin-api.ts';
import { ExitCode } from '../exit-codes.ts';
import { explainFailure } from '../explain-failure.ts';
import { formatExplanation, isExplanation, type SentExplanation } from '../print-explanation.ts';
import type { Terminal } from '../terminal.ts';

export interface ExplainOptions extends AdminApiOptions {
  readonly json?: boolean;
  readonly watch?: boolean;
}

/** What scripts look at. */
const SEES = ExitCode.OK;
const DOES_NOT_SEE = ExitCode.FAILURE;
const NO_ANSWER = ExitCode.CONFIG;

const RETRY_MS = 1_000;

export async function explain(
  observer: string,
  target: string,
  options: ExplainOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  try {
    const api = findAdminApi(options);
    const wrong = problemOf(observer, 'observer', api) ?? problemOf(target, 'target', api);
    if (wrong !== null) throw new AdminApiError(wrong);
    const path = `/explain?observer=${encodeURIComponent(observer)}&target=${encodeURIComponent(target)}`;
    if (options.watch === true) return await watch(api, `${path}&watch=true`, options, terminal);
    const explanation = check(await getAdmin(api, path));
    print(explanation, options, terminal);
    hint(explanation, api, terminal);
    return explanation.is_visible ? SEES : DOES_NOT_SEE;
  } catch (error) {
    complain(error, terminal);
    return NO_ANSWER;
  }
}

/** Until Ctrl-C. A server that goes away may come back. */
async function watch(api: AdminApi, path: string, options: ExplainOptions, terminal: Terminal): Promise<ExitCode> {
  const stop = new AbortController();
  const { signal } = stop;
  const end = (): void => stop.abort();
  // If the output ends, nobody reads any more.
  const interrupted = Promise.race([
    once(process, 'SIGINT', { signal }),
    once(process, 'SIGTERM', { signal }),
    once(terminal.stdout, 'close', { signal }),
  ]).then(end, end);
  let isFirst = true;
  let wasAway = false;
  try {
    while (!signal.aborted) {
      try {
        for await (const sent of watchAdmin(api, path, signal)) {
          const explanation = check(sent);
          if (!isFirst && options.json !== true) terminal.print(`\n${new Date().toISOString()}`);
          print(explanation, options, terminal);
          isFirst = false;
          wasAway = false;
        }
      } catch (error) {
        if (signal.aborted) break;
        if (isFirst) throw error;
        if (!wasAway) complain(error, terminal);
        wasAway = true;
      }
      // The server is stopping, or the stream's time is over.
      await delay(RETRY_MS, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    end();
    await interrupted;
  }
  return ExitCode.OK;
}

function print(explanation: SentExplanation, { json }: ExplainOptions, terminal: Terminal): void {
  const { stdout } = terminal;
  const text = json === true ? JSON.stringify(explanation) : null;
  terminal.print(text ?? formatExplanation(explanation, stdout.isTTY && stdout.hasColors()));
}

function check(sent: Readonly<Record<string, unknown>>): SentExplanation {
  if (isExplanation(sent)) return sent;
  throw new AdminApiError('the server does not answer as this version of Thalamus does');
}

function complain(error: unknown, terminal: Terminal): void {
  const lines = error instanceof AdminApiError ? [error.message] : explainFailure(error, null).lines;
  for (const line of lines) terminal.complain(line);
}

/** What is wrong with an id, and how it may have been meant; null for nothing. */
function problemOf(id: string, which: 'observer' | 'target', { serverName }: AdminApi): string | null {
  if (isUserId(id) || (which === 'observer' && isServerName(id))) return null;
  const what = `the ${which} "${id}" is no user id${which === 'observer' ? ', and no name of a server' : ''}`;
  const server = serverName ?? 'example.org';
  const local = id.replace(/^@+/, '').replace(/:.*$/s, '');
  const given = id.includes(':') ? id.slice(id.indexOf(':') + 1) : server;
  const suggestion = `@${local}:${given}`;
  const isServer = which === 'target' && id.includes('.') && isServerName(id);
  if (isServer) return `${what}; do you mean ${suggestion}, or a user of the server ${id}, such as @alice:${id}?`;
  return isUserId(suggestion) ? `${what}; do you mean ${suggestion}?` : `${what}, such as @alice:${server}`;
}

/** A user id without its beginning looks like a server. */
function hint({ observer, reasons }: SentExplanation, { serverName }: AdminApi, terminal: Terminal): void {
  if (observer.startsWith('@') || observer.includes('.') || !reasons.some(({ rule }) => rule === 'observer')) return;
  const [local, server = serverName ?? 'example.org'] = observer.split(':');
  terminal.complain(`${observer} is taken as the name of a server; do you mean @${local}:${server}?`);
}
