/**
 * HTTP that modules serve: each registered path and everything below it, with all methods.
 *
 * Speaks the web's Request and Response; sockets, the limit on bodies and the deadline are the HTTP layer's. Nobody is
 * authenticated. What a handler throws becomes a 500 without detail, unless it is an error with a status of its own.
 */
import type { WebResourceHandler } from '../module/module-api.ts';
import { kindOf, toPlainError } from './describe-value.ts';
import type { HostContext } from './host-context.ts';

/** Answers one request. Never rejects. */
export type GuardedHandler = (request: Request) => Promise<Response>;

export class WebResources {
  readonly #host: HostContext;
  readonly #resources = new Map<string, { readonly module: string; readonly answer: GuardedHandler }>();
  readonly #running = new Set<Promise<Response>>();

  constructor(host: HostContext) {
    this.#host = host;
  }

  /**
   * The first module to ask for a path keeps it; a later one is told so in the log.
   *
   * @throws TypeError if modules may not have the path
   */
  register(module: string, path: string, handler: WebResourceHandler, host = this.#host): void {
    if (typeof handler !== 'function') throw new TypeError('registerWebResource: the handler is not a function');
    const clean = checkPath(path);
    const owner = this.#resources.get(clean);
    if (owner !== undefined) {
      host.logger.warn({ module, path: clean, owner: owner.module }, 'a web resource has an owner already');
      return;
    }
    const section = host.watchdog.section(module, `web resource ${clean}`, host.spec);
    const answer: GuardedHandler = (request) => {
      const response = this.#answer(module, section, handler, request, host);
      this.#running.add(response);
      return response.finally(() => this.#running.delete(response));
    };
    this.#resources.set(clean, { module, answer });
  }

  /**
   * Returns who answers at `path`, or null. Of several that fit, the longest path wins.
   *
   * @param path - the path of the URL, without the query
   */
  find(path: string): GuardedHandler | null {
    if (this.#resources.size === 0) return null;
    for (let end = path.length; end > 0; end = path.lastIndexOf('/', end - 1)) {
      const resource = this.#resources.get(path.slice(0, end));
      if (resource !== undefined) return resource.answer;
    }
    return null;
  }

  /** Resolves when the requests of now are answered. The caller bounds the wait. */
  async idle(): Promise<void> {
    await Promise.all(this.#running);
  }

  async #answer(
    module: string,
    section: number,
    handler: WebResourceHandler,
    request: Request,
    { watchdog, metrics, logger }: HostContext,
  ): Promise<Response> {
    try {
      const previous = watchdog.enter(section);
      let answer: Response | Promise<Response>;
      try {
        answer = handler(request);
      } finally {
        watchdog.leave(previous);
      }
      const response: unknown = await answer;
      if (!(response instanceof Response))
        throw new TypeError(`the handler returned ${kindOf(response)}, not a Response`);
      metrics.webRequests.inc({ module, outcome: 'ok' });
      return response;
    } catch (thrown) {
      const own = asMatrixError(thrown);
      metrics.webRequests.inc({ module, outcome: own === null ? 'failed' : 'ok' });
      if (own !== null) return own;
      logger.error({ module, err: toPlainError(thrown) }, 'a web resource of a module failed');
      return problem(500, 'M_UNKNOWN', 'Internal server error');
    }
  }
}

/** Returns the path without a slash at its end. */
function checkPath(path: unknown): string {
  const refuse = (why: string): never => {
    throw new TypeError(`registerWebResource: ${JSON.stringify(path)} ${why}`);
  };
  if (typeof path !== 'string' || !path.startsWith('/')) return refuse('is not a path that starts with "/"');
  const clean = path.replace(/\/+$/, '');
  if (clean === '') return refuse('would be everything; choose a path of your own');
  // Whatever a URL would change (dots, spaces, queries, double encodings) could never be asked for as it stands.
  if (new URL(`http://x${clean}`).pathname !== clean || clean.includes('%') || clean.includes('//')) {
    return refuse('is not a plain path');
  }
  const [, first = ''] = clean.split('/');
  if (first === '_matrix' || first === '_thalamus') return refuse(`is under /${first}, which belongs to the server`);
  return clean;
}

/** The answer for an error that says its own status and code, such as that of `getUserByReq`. */
function asMatrixError(thrown: unknown): Response | null {
  if (!(thrown instanceof Error) || !('httpStatus' in thrown) || !('errcode' in thrown)) return null;
  const { httpStatus, errcode, message } = thrown;
  if (typeof httpStatus !== 'number' || typeof errcode !== 'string') return null;
  return httpStatus >= 400 && httpStatus <= 599 ? problem(httpStatus, errcode, message) : null;
}

function problem(status: number, errcode: string, error: string): Response {
  return new Response(JSON.stringify({ errcode, error }), { status, headers: { 'content-type': 'application/json' } });
}
