/**
 * How much of large bodies one address may send: to check and parse a megabyte takes as long as a hundred ordinary transactions.
 *
 * Bodies of an ordinary size are not counted, so whoever shares an address with somebody who sends large ones goes on. A server with so much to
 * say that it is delayed here comes again with it. Bounded; pure but for the clock.
 */
import { MatrixError } from '../../matrix/errors.ts';
import { LruMap } from '../../ports/lru-map.ts';

export interface ByteAllowanceOptions {
  readonly clock: { now(): number };
  /** Up to this size nothing is counted. @default 64 KiB: hundreds of presence entries */
  readonly uncountedBytes?: number;
  /** How much may come at once. @default 20 MiB */
  readonly burstBytes?: number;
  /** @default 256 KiB */
  readonly bytesPerSecond?: number;
  /** Addresses remembered. @default 10,000 */
  readonly maxAddresses?: number;
}

export class ByteAllowance {
  readonly #options: Required<Omit<ByteAllowanceOptions, 'maxAddresses'>>;
  readonly #used: LruMap<string, { readonly bytes: number; readonly ts: number }>;

  constructor({
    clock,
    uncountedBytes = 65_536,
    burstBytes = 20 * 1024 * 1024,
    bytesPerSecond = 256 * 1024,
    maxAddresses = 10_000,
  }: ByteAllowanceOptions) {
    this.#options = { clock, uncountedBytes, burstBytes, bytesPerSecond };
    this.#used = new LruMap(maxAddresses);
  }

  get size(): number {
    return this.#used.size;
  }

  /** @throws MatrixError 429 `M_LIMIT_EXCEEDED` with `retry_after_ms`; then nothing is counted */
  take(address: string, bytes: number): void {
    const { clock, uncountedBytes, burstBytes, bytesPerSecond } = this.#options;
    if (bytes <= uncountedBytes) return;
    const now = clock.now();
    const known = this.#used.get(address);
    const left = known === undefined ? 0 : Math.max(0, known.bytes - ((now - known.ts) * bytesPerSecond) / 1000);
    const surplus = left + bytes - burstBytes;
    if (surplus > 0) {
      throw new MatrixError(429, 'M_LIMIT_EXCEEDED', 'Too much data from there', {
        retry_after_ms: Math.max(1, Math.ceil((surplus / bytesPerSecond) * 1000)),
      });
    }
    this.#used.set(address, { bytes: left + bytes, ts: now });
  }
}
