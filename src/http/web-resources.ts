/**
 * Serves what modules registered with `registerWebResource`: web `Request` in, web `Response` out.
 *
 * Nothing is authenticated here. The body limit and a deadline apply; a throw is a 500 without detail, a deadline a 504.
 * Source: product decision on `api.registerWebResource`.
 */
import { MatrixError } from '../matrix/errors.ts';
import type { Exchange } from './exchange.ts';

export type WebResourceHandler = (request: Request) => Promise<Response>;

/** Which module answers a path: the router host's registry has this shape. */
export interface WebResources {
  /** The handler registered at exactly `path` or at a path above it, or `null`. `path` is as sent, without the query. */
  find(path: string): WebResourceHandler | null;
}

export interface WebResourceOptions {
  readonly timeoutMs: number;
  readonly protocol: 'http' | 'https';
}

/** Headers that are about this connection, not about the message. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** What a URL makes a way upwards of, a backslash and encoded dots included: the path would not be below the module's. */
const DOT_SEGMENT = /[/\\](?:\.|%2e){1,2}(?:[/\\]|$)/i;

/** Answers `exchange`, whose body has been read. Rejects with what the handler threw, unless the answer has begun. */
export async function serveWebResource(
  handler: WebResourceHandler,
  exchange: Exchange,
  options: WebResourceOptions,
): Promise<void> {
  const controller = new AbortController();
  exchange.onAborted(() => {
    controller.abort();
  });
  const timedOut = Symbol('timed out');
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<typeof timedOut>((resolve) => {
    timer = setTimeout(() => {
      controller.abort();
      resolve(timedOut);
    }, options.timeoutMs);
  });
  try {
    const request = toRequest(exchange, options.protocol, controller.signal);
    const response = await Promise.race([handler(request), deadline]);
    if (response === timedOut) {
      exchange.sendJson(504, JSON.stringify({ errcode: 'M_UNKNOWN', error: 'The resource did not answer in time' }));
      return;
    }
    // Before the answer begins: afterwards nothing is left but to cut the connection.
    assertSendable(response);
    if (!exchange.takeOver(response.status)) return;
    await Promise.race([writeResponse(exchange, response), deadline]);
    if (!exchange.outgoing.writableEnded) exchange.outgoing.destroy();
  } finally {
    clearTimeout(timer);
  }
}

function toRequest(exchange: Exchange, protocol: string, signal: AbortSignal): Request {
  const headers = new Headers();
  const { rawHeaders, headers: parsed } = exchange.incoming;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    if (!HOP_BY_HOP.has(name.toLowerCase())) headers.append(name, rawHeaders[i + 1] ?? '');
  }
  const base = `${protocol}://${parsed.host ?? 'localhost'}`;
  if (!URL.canParse(base)) throw new MatrixError(400, 'M_INVALID_PARAM', "The header 'Host' names no host");
  if (DOT_SEGMENT.test(exchange.path)) throw new MatrixError(404, 'M_UNRECOGNIZED', 'Unrecognized request');
  const url = new URL(exchange.url, base);
  const withBody = exchange.hasBody && exchange.method !== 'GET' && exchange.method !== 'HEAD';
  return new Request(url, {
    method: exchange.method,
    headers,
    signal,
    ...(withBody ? { body: new Uint8Array(exchange.bytes) } : {}),
  });
}

function assertSendable({ status, body, bodyUsed }: Response): void {
  // 0 is what Response.error() has.
  if (status < 200) throw new TypeError(`a web resource answered with the status ${status}`);
  if (bodyUsed || body?.locked === true) throw new TypeError('a web resource answered with a body that is in use');
}

async function writeResponse(exchange: Exchange, response: Response): Promise<void> {
  const { outgoing } = exchange;
  outgoing.statusCode = response.status;
  // A length that is not the body's would make the rest of it look like the next answer.
  outgoing.strictContentLength = exchange.method !== 'HEAD';
  for (const [name, value] of response.headers) {
    if (!HOP_BY_HOP.has(name)) outgoing.appendHeader(name, value);
  }
  if (response.body !== null && exchange.method !== 'HEAD') {
    for await (const chunk of response.body) {
      if (outgoing.destroyed) return;
      if (!outgoing.write(chunk)) await drained(outgoing);
    }
  }
  outgoing.end();
}

function drained(outgoing: Exchange['outgoing']): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      outgoing.off('drain', done);
      outgoing.off('close', done);
      resolve();
    };
    outgoing.on('drain', done);
    outgoing.on('close', done);
  });
}
