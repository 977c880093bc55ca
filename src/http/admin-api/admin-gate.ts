/**
 * Lets requests with the admin token in, and nobody else: not users with their access tokens, and nobody who guesses.
 *
 * Digests are compared, in constant time, so that neither the length of the token nor a part of it can be learnt from how long a
 * refusal takes. The token is taken from the header alone: what is in an address ends up in the logs of proxies.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { MatrixError } from '../../matrix/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Counter, Metrics } from '../../ports/metrics.ts';
import { addressGroup } from '../address-group.ts';
import { RateLimiter, throwIfLimited } from '../rate-limit.ts';
import type { ClientRequest } from '../route.ts';

export interface AdminGateOptions {
  readonly token: string;
  readonly clock: Pick<Clock, 'now'>;
  readonly metrics: Metrics;
}

/** Wrong tokens of one address: ten at once, then one in ten seconds. Until then its right ones are refused, too. */
const FAILURES = { perSecond: 0.1, burstCount: 10 };
const MAX_ADDRESSES = 10_000;
const BEARER = /^bearer +(\S+) *$/i;

export class AdminGate {
  #digest: Buffer;
  readonly #failures: RateLimiter;
  readonly #refused: Counter;

  constructor({ token, clock, metrics }: AdminGateOptions) {
    this.#digest = digestOf(token);
    this.#failures = new RateLimiter({ limit: FAILURES, clock, maxKeys: MAX_ADDRESSES });
    this.#refused = metrics.counter({
      name: 'thalamus_admin_refused_requests',
      help: 'Requests to the admin API that were not let in: without a token, with a wrong one, or after too many wrong ones',
      labelNames: ['reason'],
    });
  }

  /** Requests from now on need this one. Returns whether it is another one than before. */
  setToken(token: string): boolean {
    const digest = digestOf(token);
    const differs = !timingSafeEqual(digest, this.#digest);
    this.#digest = digest;
    return differs;
  }

  /** @throws MatrixError 401 `M_MISSING_TOKEN` or `M_UNKNOWN_TOKEN`, 429 `M_LIMIT_EXCEEDED` */
  check(request: Pick<ClientRequest, 'headers' | 'ip'>): void {
    const [authorization, second] = request.headers('authorization');
    const [, token] = BEARER.exec(authorization ?? '') ?? [];
    if (token === undefined || second !== undefined) {
      this.#refused.inc({ reason: 'missing' });
      throw new MatrixError(401, 'M_MISSING_TOKEN', 'The admin API needs its token: "Authorization: Bearer <token>"');
    }
    const address = addressGroup(request.ip);
    const waitMs = this.#failures.peek(address);
    if (waitMs > 0) this.#refused.inc({ reason: 'limited' });
    throwIfLimited(
      waitMs,
      `Too many wrong tokens came from this address; it may come again in ${Math.ceil(waitMs / 1000)} s`,
    );
    if (timingSafeEqual(digestOf(token), this.#digest)) return;
    this.#failures.take(address);
    this.#refused.inc({ reason: 'unknown' });
    throw new MatrixError(401, 'M_UNKNOWN_TOKEN', 'This is not the token of the admin API');
  }
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
