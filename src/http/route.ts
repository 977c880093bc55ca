/**
 * What an operation of the HTTP API is: where it lives, who may call it, and the function that answers.
 *
 * Operation files in `client-api/` export `(services) => Route` (or `Route[]`), services being exactly what they need.
 * The server in `http-server.ts` matches paths, authenticates, reads bodies up to the limit, and turns whatever a
 * handler returns or throws into a response.
 */
import type { DeviceId, UserId } from '../matrix/identifiers.ts';

/** The segment (or segments) between `/_matrix/client/` and the route's path. `''` is for paths without a version. */
export type ApiVersion = 'v3' | 'r0' | 'v1' | 'unstable' | 'api/v1' | '';

export interface Route {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** Below `/_matrix/client/<version>`: `/rooms/:roomId/send/:eventType/:txnId`. A last `*name` takes the rest, also nothing. */
  readonly path: string;
  /** Replaces `/_matrix/client/<version>` for paths that are not under it, as `/_synapse/admin`. */
  readonly prefix?: string;
  /** Usually `STABLE_VERSIONS`; with `prefix` it is not looked at. */
  readonly versions: readonly ApiVersion[];
  /** `required`: 401 without a valid token. `optional`: a token that is sent must be valid. */
  readonly auth: 'required' | 'optional' | 'none';
  /** Instead of an access token: throws the answer unless the request may go on. Asked before any of the body is read. */
  readonly guard?: (request: ClientRequest) => void;
  /** The specification's operationId: the label of metrics and the name in logs. */
  readonly operationId: string;
  /** On which listeners it is served. @default 'client' */
  readonly resource?: 'client' | 'federation' | 'admin';
  /** Largest body in bytes, instead of `max_request_size`, or of 64 KiB where no token was sent. */
  readonly maxBodyBytes?: number;
  /**
   * `handler` reads the body itself, with `readBody()`, once it has seen enough of the headers to want it. Until it is answered, the body
   * counts against the little that such requests, and each address of them, may hold at once. @default false
   */
  readonly readsBody?: boolean;
  /**
   * The answer: a JSON value, `undefined` for `{}`, or a `Reply`/`RawJson`/`StreamReply`. Throws `MatrixError` for everything that is
   * the client's fault. A handler that answers without waiting returns the value itself, not a promise; one that many wait
   * for at once may return `LATER`.
   */
  readonly handler: (request: ClientRequest) => unknown;
}

/** What a handler returns that will call `answer` or `fail` of its request. It costs less than a promise, which long polls feel. */
export const LATER = Symbol('answered later');

/** What almost every route is served under. */
export const STABLE_VERSIONS = ['v3', 'r0'] as const satisfies readonly ApiVersion[];

/** Who asks, as the access token says. */
export interface Requester {
  readonly userId: UserId;
  readonly deviceId: DeviceId;
  /** Stable for the life of the token; not the token. */
  readonly tokenId: number;
  readonly isAdmin: boolean;
}

export interface ClientRequest {
  readonly method: string;
  /** Path and query, exactly as they were sent. */
  readonly url: string;
  /** Who asks. Reading it on a route without authentication is a bug and throws; see `requesterOrNull`. */
  readonly requester: Requester;
  /** `null` where no token was sent (`auth: 'optional'`) or none is looked at (`'none'`). */
  readonly requesterOrNull: Requester | null;
  /** Values of the path's `:names`, percent-decoded. */
  readonly params: Readonly<Record<string, string>>;
  /** Parsed when first read. Without a `?` it costs nothing. */
  readonly query: URLSearchParams;
  /** The same as it was sent, without the `?`; empty when there is none. For those who read it often. */
  readonly rawQuery: string;
  /** The parsed JSON body: 400 `M_NOT_JSON` unless it is JSON. Callers check the shape, see `parse-body.ts`. */
  body(): unknown;
  /** The same as text, as it was sent; of use once `body()` has said that it is JSON. */
  bodyText(): string;
  /** Whether the client sent any body at all; several clients leave out an empty object. */
  readonly hasBody: boolean;
  /** How large it is. */
  readonly bodyBytes: number;
  /**
   * Aborted when the client is gone, and when the server is stopping: a handler that waits ends its wait and answers
   * with what it has. Made when first read, and several microseconds dearer than `onAborted`.
   */
  readonly signal: AbortSignal;
  /** Calls `listener` once at the moment `signal` would abort; at once if it already has; never after the answer. */
  onAborted(listener: () => void): void;
  /** The client's address: the connection's, or the last `X-Forwarded-For` of a trusted proxy (`x_forwarded`). */
  readonly ip: string;
  /** `User-Agent`, or an empty string. */
  readonly userAgent: string;
  /** Every value of a header, in the order they were sent. `name` in lower case. */
  headers(name: string): readonly string[];
  /**
   * Only where the route `readsBody`: resolves when all of the body is here. Rejects with 413 `M_TOO_LARGE`, with 429
   * `M_LIMIT_EXCEEDED` when there is no room for it now, and with 400 when the client has gone.
   */
  readBody(): Promise<void>;
  /** Lets go of the bytes of the body, which has been parsed. They still count until the answer: what was made of them is as large. */
  dropBody(): void;
  /** Of a handler that returns `LATER`: answers with what it would have returned. */
  answer(value: unknown): void;
  /** Of a handler that returns `LATER`: answers with what it would have thrown. */
  fail(error: unknown): void;
}

/** A 200 (or `httpStatus`) whose body is already serialised. */
export class RawJson {
  readonly text: string;
  readonly httpStatus: number;

  constructor(text: string, httpStatus = 200) {
    this.text = text;
    this.httpStatus = httpStatus;
  }
}

/** An answer with a status other than 200 that is not an error in the specification's shape, such as a 401 with flows. */
export class Reply {
  readonly httpStatus: number;
  readonly body: unknown;

  constructor(httpStatus: number, body: unknown) {
    this.httpStatus = httpStatus;
    this.body = body;
  }
}
