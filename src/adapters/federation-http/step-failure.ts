/**
 * One step of a request to another server has failed: finding, connecting, the handshake, the exchange.
 *
 * Everything below the client throws this; the client puts the destination before the message and makes it a `PeerError`.
 */
import type { PeerErrorKind } from '../../ports/peer-client.ts';

export class StepFailure extends Error {
  override name = 'StepFailure';
  readonly kind: PeerErrorKind;

  /** @param message - a clause for administrators that names the step and its name or address */
  constructor(kind: PeerErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}

/** Whatever was thrown, as the failure of a step. */
export function asStepFailure(error: unknown, kind: PeerErrorKind, message: string): StepFailure {
  return error instanceof StepFailure
    ? error
    : new StepFailure(kind, `${message}: ${reasonOf(error)}`, { cause: error });
}

/** A short reason: Node's code, and its words unless they only repeat it. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = codeOf(error);
  return code === '' || error.message.includes(code) ? error.message : `${error.message} (${code})`;
}

/** `ECONNREFUSED`, `CERT_HAS_EXPIRED`, …; empty if there is none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}
