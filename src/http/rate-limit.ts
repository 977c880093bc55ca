/**
 * A leaky bucket for each key (a user id, an address): allowed while what has not leaked is at most `burstCount` − 1.
 *
 * Memory is bounded: a bucket that has run empty is forgotten, and beyond `maxKeys` the one that was used longest ago
 * goes, which is in that key's favour. Source: the reference server's `rc_…` settings; pure but for the clock.
 */
import { MatrixError } from '../matrix/errors.ts';

export interface RateLimit {
  /** What leaks in a second. */
  readonly perSecond: number;
  /** How many may come at once. */
  readonly burstCount: number;
}

export interface RateLimiterOptions {
  readonly limit: RateLimit;
  readonly clock: { now(): number };
  /** @default 100,000 */
  readonly maxKeys?: number;
}

/** What the wait is said to be where nothing leaks. */
const LONGEST_WAIT_MS = 3_600_000;
/** Empty buckets that one call removes at most: more than a call can add. */
const SWEPT_PER_CALL = 2;

interface Bucket {
  level: number;
  /** When `level` was right. */
  ts: number;
}

export class RateLimiter {
  readonly #clock: RateLimiterOptions['clock'];
  readonly #maxKeys: number;
  /** The one used longest ago comes first. */
  readonly #buckets = new Map<string, Bucket>();
  #limit: RateLimit;

  constructor(options: RateLimiterOptions) {
    this.#limit = options.limit;
    this.#clock = options.clock;
    this.#maxKeys = options.maxKeys ?? 100_000;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** Applies to what the buckets hold already. */
  setLimit(limit: RateLimit): void {
    this.#limit = limit;
  }

  /** Takes one: 0 when that was allowed, else the milliseconds until it is (nothing is taken then). */
  take(key: string): number {
    const now = this.#clock.now();
    const bucket = this.#buckets.get(key);
    const level = bucket === undefined ? 0 : this.#levelOf(bucket, now);
    const waitMs = this.#waitMs(level);
    if (waitMs > 0) return waitMs;
    if (bucket === undefined) {
      this.#buckets.set(key, { level: 1, ts: now });
      this.#sweep(now);
    } else {
      bucket.level = level + 1;
      bucket.ts = now;
      this.#buckets.delete(key);
      this.#buckets.set(key, bucket);
    }
    return 0;
  }

  /** What `take` would say, without taking. */
  peek(key: string): number {
    const bucket = this.#buckets.get(key);
    return bucket === undefined ? this.#waitMs(0) : this.#waitMs(this.#levelOf(bucket, this.#clock.now()));
  }

  #levelOf(bucket: Bucket, now: number): number {
    return Math.max(0, bucket.level - ((now - bucket.ts) * this.#limit.perSecond) / 1000);
  }

  #waitMs(level: number): number {
    const surplus = level - (this.#limit.burstCount - 1);
    // A millionth of an action is what adding and subtracting fractions may leave behind.
    if (surplus <= 1e-6) return 0;
    return Math.min(LONGEST_WAIT_MS, Math.max(1, Math.ceil((surplus / this.#limit.perSecond) * 1000 - 1e-3)));
  }

  #sweep(now: number): void {
    let looked = 0;
    for (const [key, bucket] of this.#buckets) {
      if (looked++ === SWEPT_PER_CALL) break;
      if (this.#buckets.size <= this.#maxKeys && this.#levelOf(bucket, now) > 0) break;
      this.#buckets.delete(key);
    }
  }
}

/** Takes one for `key`. @throws MatrixError 429 `M_LIMIT_EXCEEDED` with `retry_after_ms` */
export function enforceLimit(limiter: Pick<RateLimiter, 'take'>, key: string): void {
  throwIfLimited(limiter.take(key));
}

/** @throws MatrixError 429 `M_LIMIT_EXCEEDED` when there is something to wait for */
export function throwIfLimited(waitMs: number, what = 'Too many requests'): void {
  if (waitMs > 0) throw new MatrixError(429, 'M_LIMIT_EXCEEDED', what, { retry_after_ms: waitMs });
}
