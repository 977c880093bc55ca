/**
 * HTTP requests to other homeservers, found by the rules of the specification.
 *
 * The client knows names, sockets and certificates, and nothing of signatures: the caller hands in the headers.
 */
import { PresenceError } from '../errors.ts';
import type { ServerName } from '../matrix/identifiers.ts';

export interface PeerRequest {
  readonly destination: ServerName;
  readonly method: 'GET' | 'PUT' | 'POST';
  /** Path and query, exactly as they were signed: `/_matrix/federation/v1/send/1`. */
  readonly uri: string;
  /** Besides `Host`, `Content-Type` and `Content-Length`, which the client sets. */
  readonly headers?: Readonly<Record<string, string>>;
  /** A JSON text, sent as it is. */
  readonly body?: string;
  /** For everything: finding, connecting, sending, and the whole answer. */
  readonly timeoutMs: number;
  readonly maxResponseBytes: number;
  readonly signal?: AbortSignal;
}

export interface PeerResponse {
  readonly httpStatus: number;
  /** In ms, from `Retry-After`; null without one. */
  readonly retryAfterMs: number | null;
  readonly body: string;
}

export interface PeerClient {
  /** Resolves with any complete answer, whatever its status. @throws PeerError */
  request(request: PeerRequest): Promise<PeerResponse>;
  /** Ends what is in flight and closes every connection. */
  close(): Promise<void>;
}

/**
 * `refused`: not a server we talk to (whitelist, forbidden address). `not_found`: no address. `unreachable`: no connection, or it broke.
 * `certificate`: TLS said no. `timeout`: a deadline passed. `too_large`: the answer is. `busy`: too many requests are open.
 * `closed`: this client has been closed.
 */
export type PeerErrorKind =
  | 'refused'
  | 'not_found'
  | 'unreachable'
  | 'certificate'
  | 'timeout'
  | 'too_large'
  | 'busy'
  | 'closed';

export class PeerError extends PresenceError {
  override name = 'PeerError';
  readonly destination: ServerName;
  readonly kind: PeerErrorKind;

  constructor(destination: ServerName, kind: PeerErrorKind, message: string, options?: ErrorOptions) {
    super('PRESENCE_ERR_PEER', message, options);
    this.destination = destination;
    this.kind = kind;
  }
}
