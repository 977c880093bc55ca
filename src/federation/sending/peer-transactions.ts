/**
 * What the sender asks of the network: to put one transaction to one server, once.
 */
import type { ServerName } from '../../matrix/identifiers.ts';

export interface PeerTransactions {
  /**
   * One attempt. Never rejects, and ends by a deadline of its own. The same `txnId` always comes with the same `body`.
   *
   * @param body - the whole transaction in canonical JSON
   */
  send(destination: ServerName, txnId: string, body: string, signal: AbortSignal): Promise<TransactionResult>;
}

export type TransactionResult = { readonly ok: true } | TransactionFailure;

export interface TransactionFailure {
  readonly ok: false;
  /**
   * `failed`: no answer, or one that says that it did not work. `limited`: the peer asks for patience (429).
   * `not_tried`: nothing has left, for a reason of our own, so it says nothing about the peer.
   */
  readonly reason: 'failed' | 'limited' | 'not_tried';
  /** From `Retry-After`, or `retry_after_ms`; null without them. */
  readonly retryAfterMs: number | null;
  /** For the log: the status, or what went wrong. */
  readonly detail: string;
}
