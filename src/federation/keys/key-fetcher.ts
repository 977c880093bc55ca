/**
 * Asks a server for its keys, and key servers that we trust when it does not answer well.
 *
 * Every document is checked before it is returned; one from a key server must also be signed by that server, unless the configuration
 * knows no key of it (TLS then says who it is) or takes its word. Source: Matrix specification, server-server API, "Retrieving server keys".
 */
import type { ServerName } from '../../matrix/identifiers.ts';
import type { Clock } from '../../ports/clock.ts';
import { type PeerClient, PeerError, type PeerRequest } from '../../ports/peer-client.ts';
import { verifyJson } from '../signing/verify-json.ts';
import { type CheckedDocument, checkKeyDocument } from './key-document.ts';

/** A server that is asked for others' keys when they do not answer themselves: an entry of `trusted_key_servers`. */
export interface TrustedKeyServer {
  readonly serverName: ServerName;
  /** Key id to base64: its answers must be signed with one of them. Null: TLS is trusted to say who it is. */
  readonly verifyKeys: Readonly<Record<string, string>> | null;
  /** Takes its answers without its signature, although `verifyKeys` are given. */
  readonly acceptKeysInsecurely: boolean;
}

export interface KeyFetcherOptions {
  readonly serverName: ServerName;
  readonly client: PeerClient;
  readonly clock: Clock;
  readonly trustedKeyServers: readonly TrustedKeyServer[];
  /** For one request, in ms; all for one server together take at most twice that. */
  readonly requestTimeoutMs: number;
  /** Ends what is under way. */
  readonly signal: AbortSignal;
}

export type KeySource = 'origin' | 'key_server';

export type FetchResult =
  | { readonly source: KeySource; readonly found: CheckedDocument }
  | { readonly source: null; readonly reason: string };

/** Many times what any server publishes. */
const MAX_DOCUMENT_BYTES = 32_768;
/** A key server may send several documents of one server. */
const MAX_ANSWER_BYTES = 131_072;
const MAX_DOCUMENTS = 10;

export class KeyFetcher {
  readonly #options: KeyFetcherOptions;

  constructor(options: KeyFetcherOptions) {
    this.#options = options;
  }

  /** Never throws. `keyId` is the one that is looked for, or null; the answer may be without it. */
  async fetch(server: ServerName, keyId: string | null): Promise<FetchResult> {
    const { clock, trustedKeyServers, requestTimeoutMs, serverName } = this.#options;
    const deadlineTs = clock.now() + 2 * requestTimeoutMs;
    const answer = await this.#request({
      destination: server,
      method: 'GET',
      uri: '/_matrix/key/v2/server',
      timeoutMs: requestTimeoutMs,
      maxResponseBytes: MAX_DOCUMENT_BYTES,
    });
    const direct = 'failure' in answer ? answer.failure : checkKeyDocument(answer.json, server, clock.now());
    if (typeof direct !== 'string') return { source: 'origin', found: direct };
    if ('failure' in answer && answer.isFinal) return { source: null, reason: direct };
    const reasons = [direct];
    for (const keyServer of trustedKeyServers) {
      if (keyServer.serverName === server || keyServer.serverName === serverName) continue;
      const timeoutMs = Math.min(requestTimeoutMs, deadlineTs - clock.now());
      if (timeoutMs <= 0) break;
      const found = await this.#fromKeyServer(keyServer, server, keyId, timeoutMs);
      if (typeof found !== 'string') return { source: 'key_server', found };
      reasons.push(`${keyServer.serverName}: ${found}`);
    }
    return { source: null, reason: reasons.join('; ') };
  }

  async #fromKeyServer(
    keyServer: TrustedKeyServer,
    server: ServerName,
    keyId: string | null,
    timeoutMs: number,
  ): Promise<CheckedDocument | string> {
    const criteria = keyId === null ? {} : { [keyId]: { minimum_valid_until_ts: this.#options.clock.now() } };
    const answer = await this.#request({
      destination: keyServer.serverName,
      method: 'POST',
      uri: '/_matrix/key/v2/query',
      body: JSON.stringify({ server_keys: { [server]: criteria } }),
      timeoutMs,
      maxResponseBytes: MAX_ANSWER_BYTES,
    });
    if ('failure' in answer) return answer.failure;
    const now = this.#options.clock.now();
    let best: CheckedDocument | null = null;
    let reason = 'it does not know the keys';
    for (const document of documentsIn(answer.json)) {
      if (!isVouchedFor(document, keyServer)) {
        reason = 'its own signature is missing or wrong';
        continue;
      }
      const checked = checkKeyDocument(document, server, now);
      if (typeof checked === 'string') reason = checked;
      else if (best === null || isBetter(checked, best, keyId)) best = checked;
    }
    return best ?? reason;
  }

  async #request(request: PeerRequest): Promise<{ readonly json: unknown } | Failure> {
    const { client, signal } = this.#options;
    try {
      const { httpStatus, body } = await client.request({ ...request, signal });
      if (httpStatus !== 200) return { failure: `it answered ${httpStatus}`, isFinal: false };
      return { json: JSON.parse(body) as unknown };
    } catch (error) {
      if (error instanceof SyntaxError) return { failure: 'its answer is not JSON', isFinal: false };
      const failure = error instanceof Error ? error.message : String(error);
      const isRefused = error instanceof PeerError && (error.kind === 'refused' || error.kind === 'closed');
      return { failure, isFinal: isRefused || signal.aborted };
    }
  }
}

interface Failure {
  readonly failure: string;
  /** Nobody else is to be asked: it is a server that we do not talk to, or we are stopping. */
  readonly isFinal: boolean;
}

function documentsIn(answer: unknown): readonly unknown[] {
  const list = typeof answer === 'object' && answer !== null && 'server_keys' in answer ? answer.server_keys : null;
  return Array.isArray(list) ? list.slice(0, MAX_DOCUMENTS) : [];
}

function isVouchedFor(document: unknown, { serverName, verifyKeys, acceptKeysInsecurely }: TrustedKeyServer): boolean {
  if (verifyKeys === null || acceptKeysInsecurely) return true;
  return Object.entries(verifyKeys).some(([keyId, publicKey]) => verifyJson(document, serverName, keyId, publicKey));
}

/** The one with the key that is looked for, and of these the one that is good for longer. */
function isBetter(a: CheckedDocument, b: CheckedDocument, keyId: string | null): boolean {
  const has = ({ keys }: CheckedDocument): boolean => keys.some((key) => key.keyId === keyId);
  return has(a) === has(b) ? a.validUntilTs > b.validUntilTs : has(a);
}
