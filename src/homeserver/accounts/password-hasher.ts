/**
 * Passwords as memory-hard hashes (scrypt), made outside the main thread, a few at a time.
 *
 * Each hash holds its own parameters, so raising the cost leaves old ones valid: `scrypt$N$r$p$salt$hash`. A user who
 * does not exist costs as much time as one who does, so that names cannot be guessed by the clock.
 */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { MatrixError } from '../../matrix/errors.ts';

export interface ScryptCost {
  /** CPU and memory: a power of two. Memory is 128 · N · r bytes. */
  readonly N: number;
  readonly r: number;
  readonly p: number;
}

export interface PasswordHasherOptions {
  /** @default N 32768, r 8, p 1: 32 MiB and about 0.1 s */
  readonly cost?: ScryptCost;
  /** Hashes computed at one moment; the thread pool has other work, too. @default 2 */
  readonly maxConcurrent?: number;
  /** Hashes that may wait their turn; beyond it 429. @default 100 */
  readonly maxWaiting?: number;
}

const DEFAULT_COST: ScryptCost = { N: 32_768, r: 8, p: 1 };
const SALT_BYTES = 16;
const HASH_BYTES = 32;
const STORED = /^scrypt\$(\d+)\$(\d+)\$(\d+)\$([A-Za-z0-9_-]+)\$([A-Za-z0-9_-]+)$/;

export class PasswordHasher {
  readonly #cost: ScryptCost;
  readonly #maxConcurrent: number;
  readonly #maxWaiting: number;
  readonly #waiting: (() => void)[] = [];
  readonly #absent: string;
  #running = 0;

  constructor(options: PasswordHasherOptions = {}) {
    this.#cost = options.cost ?? DEFAULT_COST;
    this.#maxConcurrent = options.maxConcurrent ?? 2;
    this.#maxWaiting = options.maxWaiting ?? 100;
    this.#absent = format(this.#cost, randomBytes(SALT_BYTES), randomBytes(HASH_BYTES));
  }

  async hash(password: string): Promise<string> {
    const salt = randomBytes(SALT_BYTES);
    return format(this.#cost, salt, await this.#derive(password, salt, this.#cost, HASH_BYTES));
  }

  /** Whether `password` is the one of `stored`; never for null, which takes as long as a wrong password. */
  async verify(password: string, stored: string | null): Promise<boolean> {
    const match = STORED.exec(stored ?? this.#absent);
    if (match === null) throw new Error('a stored password hash has an unknown form');
    const [, n, r, p, salt = '', hash = ''] = match;
    const expected = Buffer.from(hash, 'base64url');
    const cost = { N: Number(n), r: Number(r), p: Number(p) };
    const actual = await this.#derive(password, Buffer.from(salt, 'base64url'), cost, expected.length);
    return timingSafeEqual(actual, expected) && stored !== null;
  }

  async #derive(password: string, salt: Buffer, cost: ScryptCost, length: number): Promise<Buffer> {
    await this.#enter();
    try {
      return await new Promise((resolve, reject) => {
        // Node refuses what needs exactly `maxmem`, so the limit leaves room.
        const options = { ...cost, maxmem: 256 * cost.N * cost.r };
        scrypt(password.normalize('NFKC'), salt, length, options, (error, key) => {
          if (error === null) resolve(key);
          else reject(error);
        });
      });
    } finally {
      this.#leave();
    }
  }

  async #enter(): Promise<void> {
    if (this.#running < this.#maxConcurrent) {
      this.#running++;
      return;
    }
    if (this.#waiting.length >= this.#maxWaiting) {
      throw new MatrixError(429, 'M_LIMIT_EXCEEDED', 'Too many passwords to check at once', { retry_after_ms: 1000 });
    }
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Hands the place to whoever waits longest. */
  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#running--;
    else next();
  }
}

function format({ N, r, p }: ScryptCost, salt: Buffer, hash: Buffer): string {
  return `scrypt$${N}$${r}$${p}$${salt.toString('base64url')}$${hash.toString('base64url')}`;
}
