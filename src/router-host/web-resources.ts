/**
 * HTTP that modules serve: each registered path and everything below it, with all methods.
 *
 * Speaks the web's Request and Response; sockets are the HTTP layer's. Nobody is authenticated here. A handler has a deadline and a
 * limit on the body; what it throws becomes a 500 without detail, unless it is an error with a status of its own.
 */
import { toPlainError } from './describe-value.ts';
import type { HostContext } from './host-context.ts';
import type { WebResourceHandler } from '../module/module-api.ts';
import { limitBody } from './limit-body.ts';

export interface WebResourceLimits {
  /** Most bytes of a request body. @default 1 MiB */
  readonly maxBodyBytes: number;
  /** Until the handler has returned its response, in ms. @default 30 s */
  readonly timeoutMs: number;
}

export const DEFAULT_WEB_RESOURCE_LIMITS: WebResourceLimits = { maxBodyBytes: 1024 * 1024, timeoutMs: 30_000 };

interface Resource {
  readonly module: string;
  readonly handler: WebResourceHandler;
  readonly section: number;
}

export class WebResources {
  readonly #host: HostContext;
  readonly #limits: WebResourceLimits;
  readonly #resources = new Map<string, Resource>();

  constructor(host: HostContext, limits: WebResourceLimits = DEFAULT_WEB_RESOURCE_LIMITS) {
    this.#host = host;
    this.#limits = limits;
  }

  /**
   * The first module to ask for a path keeps it; a later one is told so in the log.
   *
   * @throws TypeError if modules may not have the path
   */
  register(module: string, path: string, handler: WebResourceHandler): void {
    if (typeof handler !== 'function') throw new TypeError('registerWebResource: the handler is not a function');
    const clean = checkPath(path);
    const owner = this.#resources.get(clean);
    if (owner !== undefined) {
      this.#host.logger.warn({ module, path: clean, owner: owner.module }, 'a web resource has an owner already');
      return;
    }
    const section = this.#host.watchdog.section(module, `web resource ${clean}`);
    this.#resources.set(clean, { module, handler, section });
  }

  /** Whether any module serves anything. */
  get isEmpty(): boolean {
    return this.#resources.size === 0;
  }

  /**
   * Has the module that owns `path` answer; null if none does. The promise never rejects.
   *
   * @param path - the path of the URL, percent-decoded or not, without the query
   */
  handle(request: Request, path: string): Promise<Response> | null {
    const resource = this.#find(path);
    return resource === null ? null : this.#answer(resource, request);
  }

  /** Whether a module owns `path`; null if none, else the module's name. Cheaper than `handle`, which needs a Request. */
  owner(path: string): string | null {
    return this.#find(path)?.module ?? null;
  }

  #find(path: string): Resource | null {
    if (this.isEmpty) return null;
    // From the whole path upwards: of several that fit, the longest wins.
    for (let end = path.length; end > 0; end = path.lastIndexOf('/', end - 1)) {
      const resource = this.#resources.get(path.slice(0, end));
      if (resource !== undefined) return resource;
    }
    return null;
  }

  async #answer({ module, handler, section }: Resource, given: Request): Promise<Response> {
    const { clock, watchdog, metrics, logger } = this.#host;
    const { maxBodyBytes, timeoutMs } = this.#limits;
    if (Number(given.headers.get('content-length') ?? 0) > maxBodyBytes) return tooLarge();

    const deadline = new AbortController();
    const body = limitBody(given, maxBodyBytes, AbortSignal.any([given.signal, deadline.signal]));
    let onDeadline: () => void = () => undefined;
    const late = new Promise<'late'>((resolve) => (onDeadline = () => resolve('late')));
    const timer = clock.setTimeout(() => onDeadline(), timeoutMs);
    const count = (outcome: string): void => metrics.webRequests.inc({ module, outcome });
    try {
      const previous = watchdog.enter(section);
      let answer: Response | Promise<Response>;
      try {
        answer = handler(body.request);
      } finally {
        watchdog.leave(previous);
      }
      const response = await Promise.race([answer, late]);
      if (response === 'late') {
        deadline.abort(new Error('the deadline has passed'));
        // Its later outcome is nobody's business, and must not bring the process down.
        Promise.resolve(answer).catch(() => undefined);
        count('timed_out');
        logger.warn({ module, timeoutMs }, 'a web resource of a module did not answer in time');
        return problem(504, 'M_UNKNOWN', 'The server did not answer in time');
      }
      if (!(response instanceof Response)) throw new TypeError('the handler did not return a Response');
      count('ok');
      return response;
    } catch (thrown) {
      if (body.isTooLarge()) return tooLarge();
      const own = asMatrixError(thrown);
      if (own !== null) {
        count('ok');
        return own;
      }
      count('failed');
      logger.error({ module, err: toPlainError(thrown) }, 'a web resource of a module failed');
      return problem(500, 'M_UNKNOWN', 'Internal server error');
    } finally {
      timer.cancel();
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

function tooLarge(): Response {
  return problem(413, 'M_TOO_LARGE', 'The request body is too large');
}

function problem(status: number, errcode: string, error: string): Response {
  return new Response(JSON.stringify({ errcode, error }), { status, headers: { 'content-type': 'application/json' } });
}
