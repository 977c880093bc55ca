/**
 * Keeps liars cheap: a request whose sender is not proved yet costs a key look-up, a body and a signature check, so one address may fail
 * only so often.
 *
 * Each attempt takes one from what its address has left, and gives it back when the signature was good; a failure costs more for a larger body. Servers
 * that have proved themselves from an address have a budget of their own there, so that whoever shares a host or a proxy with a liar goes on.
 * Nothing here is counted by an unproved name alone: nobody can use up what is another's. Bounded; pure but for the clock.
 */
import { MatrixError } from '../../matrix/errors.ts';
import type { ServerName } from '../../matrix/identifiers.ts';
import { LruMap } from '../../ports/lru-map.ts';

export interface FailureGuardOptions {
  readonly clock: { now(): number };
  /** Attempts of one address that may fail, or be undecided, at once. @default 50 */
  readonly burst?: number;
  /** How many of them come back in a second. @default 1 */
  readonly perSecond?: number;
  /** Addresses, and pairs of address and server, remembered. @default 10,000 each */
  readonly maxKeys?: number;
}

/** One request on its way to be proved. */
export interface Attempt {
  /** The signature was good. */
  verified(): void;
  /** It was not, or it never came to that; `bytes` were read for nothing. */
  failed(bytes: number): void;
}

interface Bucket {
  level: number;
  ts: number;
}

/** A body of this size costs about as much to check as the rest of an attempt together, and many times as much if it was made for that. */
const BYTES_PER_UNIT = 16_384;

export class FailureGuard {
  readonly #clock: FailureGuardOptions['clock'];
  readonly #burst: number;
  readonly #perSecond: number;
  readonly #addresses: LruMap<string, Bucket>;
  readonly #proved: LruMap<string, Bucket>;

  constructor({ clock, burst = 50, perSecond = 1, maxKeys = 10_000 }: FailureGuardOptions) {
    this.#clock = clock;
    this.#burst = burst;
    this.#perSecond = perSecond;
    this.#addresses = new LruMap(maxKeys);
    this.#proved = new LruMap(maxKeys);
  }

  get size(): number {
    return this.#addresses.size + this.#proved.size;
  }

  /**
   * @param origin - the name that is claimed
   * @throws MatrixError 429 `M_LIMIT_EXCEEDED` with `retry_after_ms` when too much from there has failed
   */
  begin(address: string, origin: ServerName): Attempt {
    const pair = `${address} ${origin}`;
    const ofPair = this.#proved.get(pair);
    const bucket = ofPair ?? this.#addresses.get(address) ?? this.#fresh();
    const surplus = this.#leak(bucket) + 1 - this.#burst;
    // A millionth is what adding and subtracting fractions may leave behind.
    if (surplus > 1e-6) {
      const retryAfterMs = Math.max(1, Math.ceil((surplus / this.#perSecond) * 1000 - 1e-3));
      throw new MatrixError(429, 'M_LIMIT_EXCEEDED', 'Too many requests from there could not be verified', {
        retry_after_ms: retryAfterMs,
      });
    }
    if (ofPair === undefined) this.#addresses.set(address, bucket);
    bucket.level += 1;
    return {
      verified: () => {
        bucket.level = Math.max(0, this.#leak(bucket) - 1);
        if (bucket.level === 0 && this.#addresses.get(address) === bucket) this.#addresses.delete(address);
        if (this.#proved.get(pair) === undefined) this.#proved.set(pair, this.#fresh());
      },
      failed: (bytes) => {
        bucket.level = this.#leak(bucket) + bytes / BYTES_PER_UNIT;
      },
    };
  }

  #leak(bucket: Bucket): number {
    const now = this.#clock.now();
    bucket.level = Math.max(0, bucket.level - ((now - bucket.ts) * this.#perSecond) / 1000);
    bucket.ts = now;
    return bucket.level;
  }

  #fresh(): Bucket {
    return { level: 0, ts: this.#clock.now() };
  }
}
