/**
 * One request on its way through the server: what a handler sees of it, and the one function that answers.
 *
 * Everything that not every handler needs (query, body, signal) is made when first read: this is the hot path of
 * presence `PUT`, `GET` and of every long poll. All that can become of an answer (given, taken over, a stream, given up) is one state, hence
 * the length.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { SharedHeaders } from './answer-head.ts';
import type { HeldBody } from './body-budget.ts';
import { CORS_HEADERS, findHeader, findHeaders } from './headers.ts';
import { parseJson } from './read-body.ts';
import type { OperationMetrics } from './request-metrics.ts';
import type { ClientRequest, Requester } from './route.ts';

const EMPTY = Buffer.alloc(0);
const NO_QUERY = '';
const NO_HEADERS: readonly string[] = [];
const SERVER_STOPS = JSON.stringify({ errcode: 'M_UNKNOWN', error: 'The server is stopping' });
/** Bytes of a stream that wait for its reader. */
const MAX_STREAM_BACKLOG = 1024 * 1024;
const CLOSE: readonly string[] = ['Connection', 'close'];

const JSON_HEADERS = new SharedHeaders([
  'Content-Type',
  'application/json',
  ...CORS_HEADERS,
  // Answers belong to one token, and a token may be part of the address.
  'Cache-Control',
  'no-store',
]);

/** Browsers keep the permission for this long (some for less). */
const PREFLIGHT_HEADERS = new SharedHeaders([...CORS_HEADERS, 'Access-Control-Max-Age', '86400']);

/** What all exchanges of one server share. */
export interface Lifecycle {
  /**
   * Exchanges that have somebody to tell when the server stops; each knows its place. No Set: every table that a busy
   * Set outgrows keeps what was in it alive until the next full collection, and that is all of the long polls.
   */
  readonly abortable: Exchange[];
  stopping: boolean;
}

/** What an exchange asks of the listener it came in by. */
export interface ExchangeHost {
  readonly trustForwardedFor: boolean;
  /** How long a client may take to read an answer without any progress. */
  readonly slowReaderTimeoutMs: number;
  /** What an answer says of how long its connection stays, name and value. */
  readonly keepAlive: readonly string[];
  readonly lifecycle: Lifecycle;
  /** For a handler that reads the body itself. Rejects with what `readBody` answers, or when nobody is there any more. */
  readBody(exchange: Exchange): Promise<void>;
  /** For a handler that answers later: what it would have returned, or thrown. */
  succeed(exchange: Exchange, value: unknown): void;
  fail(exchange: Exchange, error: unknown): void;
  /** Called once, when the answer is given; `httpStatus` is `null` when there was nobody left to answer. */
  answered(exchange: Exchange, httpStatus: number | null): void;
}

export class Exchange implements ClientRequest {
  readonly method: string;
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly url: string;
  /** Without the query. */
  readonly path: string;
  params: Readonly<Record<string, string>> = {};
  requesterOrNull: Requester | null = null;
  bytes: Buffer = EMPTY;
  /** For a handler that reads the body itself. */
  maxBodyBytes = 0;
  /** What the body counts as until the answer; null where it does not. */
  held: HeldBody | null = null;
  operation: OperationMetrics;
  /** Milliseconds of the process's own steady clock. */
  readonly startedAt = performance.now();
  /** Set once the answer is on its way, or there is nobody to answer. */
  done = false;
  readonly #host: ExchangeHost;
  readonly #queryAt: number;
  #query: URLSearchParams | null = null;
  #abort: AbortController | null = null;
  #abortListeners: (() => void)[] | null = null;
  #aborted = false;
  #abortableAt = 0;

  constructor(host: ExchangeHost, operation: OperationMetrics, incoming: IncomingMessage, outgoing: ServerResponse) {
    this.#host = host;
    this.operation = operation;
    this.incoming = incoming;
    this.outgoing = outgoing;
    this.method = incoming.method ?? 'GET';
    this.url = incoming.url ?? '/';
    this.#queryAt = this.url.indexOf('?');
    this.path = this.#queryAt === -1 ? this.url : this.url.slice(0, this.#queryAt);
  }

  get query(): URLSearchParams {
    this.#query ??= new URLSearchParams(this.rawQuery);
    return this.#query;
  }

  get rawQuery(): string {
    return this.#queryAt === -1 ? NO_QUERY : this.url.slice(this.#queryAt + 1);
  }

  get requester(): Requester {
    if (this.requesterOrNull === null) throw new Error('the route does not authenticate');
    return this.requesterOrNull;
  }

  get hasBody(): boolean {
    return this.bytes.length > 0;
  }

  get bodyBytes(): number {
    return this.bytes.length;
  }

  body(): unknown {
    return parseJson(this.bytes);
  }

  bodyText(): string {
    return this.bytes.toString('utf8');
  }

  readBody(): Promise<void> {
    return this.#host.readBody(this);
  }

  dropBody(): void {
    this.bytes = EMPTY;
  }

  get ip(): string {
    if (this.#host.trustForwardedFor) {
      // The last address is the one our own proxy saw; those before it are what the client claims.
      const forwarded = findHeader(this.incoming.rawHeaders, 'x-forwarded-for')?.split(',').at(-1)?.trim();
      if (forwarded !== undefined && forwarded !== '') return forwarded;
    }
    return this.incoming.socket.remoteAddress ?? '';
  }

  get userAgent(): string {
    return findHeader(this.incoming.rawHeaders, 'user-agent') ?? '';
  }

  headers(name: string): readonly string[] {
    return findHeaders(this.incoming.rawHeaders, name);
  }

  get signal(): AbortSignal {
    if (this.#abort === null) {
      const controller = new AbortController();
      this.#abort = controller;
      this.onAborted(() => {
        controller.abort();
      });
    }
    return this.#abort.signal;
  }

  onAborted(listener: () => void): void {
    if (this.done) return;
    if (this.#aborted || this.#host.lifecycle.stopping || this.outgoing.destroyed) {
      listener();
      return;
    }
    if (this.#abortListeners !== null) {
      this.#abortListeners.push(listener);
      return;
    }
    this.#abortListeners = [listener];
    const { abortable } = this.#host.lifecycle;
    this.#abortableAt = abortable.length;
    abortable.push(this);
    this.outgoing.on('close', () => {
      this.abort();
    });
    // An answer that waits behind others on its connection is not told of the end of it; its request is.
    if (this.outgoing.socket === null) {
      this.incoming.on('close', () => {
        if (this.incoming.socket.destroyed) this.abort();
      });
    }
  }

  answer(value: unknown): void {
    this.#host.succeed(this, value);
  }

  fail(error: unknown): void {
    this.#host.fail(this, error);
  }

  /** Tells whoever waits in this exchange that waiting is over. */
  abort(): void {
    if (this.done || this.#aborted) return;
    this.#aborted = true;
    this.#leaveAbortable();
    for (const listener of this.#abortListeners ?? []) listener();
    this.#abortListeners = null;
  }

  /** Answers with JSON. A second answer, or one to a client that is gone, is dropped. */
  sendJson(httpStatus: number, text: string, more: readonly string[] = NO_HEADERS): void {
    this.send(httpStatus, JSON_HEADERS, text, more);
  }

  /** Answers with `shared` headers, `more` of them (names and values in turn), and `body`. */
  send(httpStatus: number, shared: SharedHeaders, body: string | Buffer, more: readonly string[] = NO_HEADERS): void {
    if (!this.#finish()) return;
    const ofConnection = this.#connectionHeaders();
    const own = more.length === 0 ? ofConnection : more.concat(ofConnection);
    shared.write(this.outgoing, httpStatus, own, body);
    if (this.outgoing.writableLength > 0) this.#watchSlowReader();
    this.#host.answered(this, httpStatus);
  }

  /** Answers a browser that asks whether it may send a request. */
  sendPreflight(): void {
    this.send(204, PREFLIGHT_HEADERS, '');
  }

  /** There is nobody left to answer. */
  giveUp(): void {
    this.#finish();
  }

  /** For whoever writes to `outgoing` themselves: false when there is nobody to write to. */
  takeOver(httpStatus: number): boolean {
    if (!this.#finish()) return false;
    const [name, value] = this.#connectionHeaders();
    if (name !== undefined && value !== undefined) this.outgoing.setHeader(name, value);
    this.outgoing.on('close', () => {
      this.#host.answered(this, httpStatus);
    });
    return true;
  }

  /**
   * Begins a 200 of many parts, of which `onAborted` goes on to tell when to stop: `writeStream` sends one, `endStream` ends it. False when
   * there is nobody to write to.
   */
  beginStream(headers: readonly string[]): boolean {
    if (this.done || this.outgoing.destroyed || this.#host.lifecycle.stopping) {
      this.sendJson(503, SERVER_STOPS);
      return false;
    }
    this.outgoing.writeHead(200, [...headers, ...this.#connectionHeaders()]);
    this.outgoing.flushHeaders();
    return true;
  }

  /** False when it waits for its reader. */
  writeStream(text: string): boolean {
    const { outgoing } = this;
    if (this.done || outgoing.destroyed || outgoing.write(text)) return true;
    if (outgoing.writableLength > MAX_STREAM_BACKLOG) outgoing.destroy();
    else if (outgoing.listenerCount('drain') === 0) {
      // Not the socket's own timer: each write sets that back, also when nobody reads.
      const timer = setTimeout(() => outgoing.destroy(), this.#host.slowReaderTimeoutMs);
      const clear = (): void => {
        clearTimeout(timer);
        outgoing.off('drain', clear).off('close', clear);
      };
      outgoing.on('drain', clear).on('close', clear);
    }
    return false;
  }

  endStream(): void {
    if (this.done) return;
    this.done = true;
    if (this.#abortListeners !== null && !this.#aborted) this.#leaveAbortable();
    this.#abortListeners = null;
    this.outgoing.end();
    if (this.outgoing.writableLength > 0) this.#watchSlowReader();
    this.#host.answered(this, 200);
  }

  #connectionHeaders(): readonly string[] {
    if (this.#host.lifecycle.stopping) return CLOSE;
    return this.outgoing.shouldKeepAlive ? this.#host.keepAlive : NO_HEADERS;
  }

  #finish(): boolean {
    if (this.done) return false;
    this.done = true;
    if (this.#abortListeners !== null) {
      this.#abortListeners = null;
      this.#leaveAbortable();
    }
    if (!this.outgoing.destroyed) return true;
    this.#host.answered(this, null);
    return false;
  }

  /** The last one takes the place. */
  #leaveAbortable(): void {
    const { abortable } = this.#host.lifecycle;
    const last = abortable.pop();
    if (last === undefined || last === this) return;
    abortable[this.#abortableAt] = last;
    last.#abortableAt = this.#abortableAt;
  }

  #watchSlowReader(): void {
    const { socket } = this.incoming;
    socket.setTimeout(this.#host.slowReaderTimeoutMs);
    this.outgoing.once('finish', () => socket.setTimeout(0));
  }
}
