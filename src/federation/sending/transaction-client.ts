/**
 * Puts a transaction to another server: signs it, sends it, and reads what became of it.
 *
 * Any 2xx with a JSON object is success. A failure says no more than "not now": peers are misconfigured and repaired, so 401, 403 and 404
 * are failures like others. Source: Matrix specification, server-server API, "Transactions"; C-S API "Rate limiting", of which
 * older servers only have `retry_after_ms`.
 */
import type { ServerName } from '../../matrix/identifiers.ts';
import { isJsonObject, type JsonObject } from '../../matrix/json-object.ts';
import { type PeerClient, PeerError, type PeerResponse } from '../../ports/peer-client.ts';
import { authorizationHeader } from '../signing/authorization.ts';
import type { SigningKey } from '../signing/ed25519.ts';
import type { PeerTransactions, TransactionFailure, TransactionResult } from './peer-transactions.ts';

export interface TransactionClientOptions {
  readonly serverName: ServerName;
  readonly signingKey: SigningKey;
  readonly client: PeerClient;
  /** For one attempt: finding, connecting, sending and the whole answer. @default 60 s */
  readonly timeoutMs?: number;
  /** An answer to a transaction without PDUs has a few bytes. @default 64 KiB */
  readonly maxResponseBytes?: number;
}

export function createTransactionClient(options: TransactionClientOptions): PeerTransactions {
  const { serverName, signingKey, client, timeoutMs = 60_000, maxResponseBytes = 64 * 1024 } = options;
  return {
    async send(destination, txnId, body, signal) {
      const method = 'PUT';
      const uri = `/_matrix/federation/v1/send/${encodeURIComponent(txnId)}`;
      try {
        const Authorization = authorizationHeader({
          method,
          uri,
          origin: serverName,
          destination,
          contentText: body,
          key: signingKey,
        });
        const headers = { Authorization };
        const request = { destination, method, uri, headers, body, timeoutMs, maxResponseBytes, signal } as const;
        return toResult(await client.request(request));
      } catch (error) {
        return toFailure(error, signal);
      }
    },
  };
}

function toResult({ httpStatus, retryAfterMs, body }: PeerResponse): TransactionResult {
  if (httpStatus >= 200 && httpStatus < 300) {
    return objectIn(body) === null ? failure('failed', retryAfterMs, `${httpStatus}, which is not JSON`) : { ok: true };
  }
  if (httpStatus !== 429) return failure('failed', retryAfterMs, String(httpStatus));
  const ms = objectIn(body)?.['retry_after_ms'];
  return failure('limited', retryAfterMs ?? (typeof ms === 'number' && ms >= 0 ? ms : null), '429');
}

function toFailure(error: unknown, signal: AbortSignal): TransactionFailure {
  if (signal.aborted) return failure('not_tried', null, 'stopped');
  if (!(error instanceof PeerError)) return failure('failed', null, String(error));
  const isOurs = error.kind === 'busy' || error.kind === 'closed';
  return failure(isOurs ? 'not_tried' : 'failed', null, `${error.kind}: ${error.message}`);
}

function failure(reason: TransactionFailure['reason'], retryAfterMs: number | null, detail: string) {
  return { ok: false, reason, retryAfterMs, detail } as const;
}

function objectIn(text: string): JsonObject | null {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : null;
  } catch {
    return null;
  }
}
