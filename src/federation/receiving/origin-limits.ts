/**
 * How often one other server may ask: the reference server's `rc_federation`, counted for servers that have proved who they are.
 *
 * Beyond `sleepLimit` requests in a window each further one waits `sleepDelayMs`; at most `concurrent` are worked on at once, and those
 * that wait for either are at most `rejectLimit`. What one server does costs no other one anything. Idle servers are forgotten.
 */
import { MatrixError } from '../../matrix/errors.ts';
import type { ServerName } from '../../matrix/identifiers.ts';
import type { Clock } from '../../ports/clock.ts';

export interface OriginRateLimit {
  readonly windowMs: number;
  /** Requests in a window before further ones wait. */
  readonly sleepLimit: number;
  readonly sleepDelayMs: number;
  /** Requests that may wait before further ones are refused. */
  readonly rejectLimit: number;
  /** Requests that are worked on at once. */
  readonly concurrent: number;
}

export interface OriginLimitsOptions {
  readonly limit: OriginRateLimit;
  readonly clock: Clock;
  readonly onLimited?: (action: 'sleep' | 'reject') => void;
  /** Servers remembered, unless more are busy. @default 10,000 */
  readonly maxOrigins?: number;
}

interface Lane {
  /** When the newest `sleepLimit` requests came, oldest first. */
  readonly recent: number[];
  active: number;
  waiting: number;
  readonly ready: (() => void)[];
}

/** Idle servers that one request makes forgotten at most: more than it can add. */
const SWEPT_PER_REQUEST = 2;

export class OriginLimits {
  readonly #clock: Clock;
  readonly #onLimited: (action: 'sleep' | 'reject') => void;
  readonly #maxOrigins: number;
  #limit: OriginRateLimit;
  /** The one heard of longest ago comes first. */
  readonly #lanes = new Map<ServerName, Lane>();

  constructor({ limit, clock, onLimited = () => undefined, maxOrigins = 10_000 }: OriginLimitsOptions) {
    this.#limit = limit;
    this.#clock = clock;
    this.#onLimited = onLimited;
    this.#maxOrigins = maxOrigins;
  }

  /** Servers remembered. */
  get size(): number {
    return this.#lanes.size;
  }

  /** Applies to requests from now on. */
  setLimit(limit: OriginRateLimit): void {
    this.#limit = limit;
  }

  /**
   * Refuses what `run` would refuse. For a name that is not proved yet: nothing is counted, so nobody can use up what is another's.
   *
   * @throws MatrixError 429 `M_LIMIT_EXCEEDED` with `retry_after_ms`
   */
  refuseIfFull(origin: ServerName): void {
    const lane = this.#lanes.get(origin);
    if (lane === undefined || lane.waiting < this.#limit.rejectLimit) return;
    this.#onLimited('reject');
    throw new MatrixError(429, 'M_LIMIT_EXCEEDED', 'Too many requests of this server are waiting', {
      retry_after_ms: Math.max(1, this.#limit.sleepDelayMs),
    });
  }

  /** Does `work` when it is `origin`'s turn. @throws MatrixError as `refuseIfFull` */
  async run<T>(origin: ServerName, work: () => Promise<T>): Promise<T> {
    this.refuseIfFull(origin);
    const lane = this.#enter(origin);
    if (this.#isOften(lane)) {
      this.#onLimited('sleep');
      await this.#wait(lane, (resolve) => this.#clock.setTimeout(resolve, this.#limit.sleepDelayMs));
    }
    if (lane.active >= this.#limit.concurrent) await this.#wait(lane, (resolve) => lane.ready.push(resolve));
    else lane.active++;
    try {
      return await work();
    } finally {
      // The next one takes the place over.
      const next = lane.ready.shift();
      if (next === undefined) lane.active--;
      else next();
    }
  }

  #enter(origin: ServerName): Lane {
    const lane = this.#lanes.get(origin) ?? { recent: [], active: 0, waiting: 0, ready: [] };
    this.#lanes.delete(origin);
    this.#lanes.set(origin, lane);
    this.#sweep();
    return lane;
  }

  /** Notes a request, and says whether it is one too many in its window. */
  #isOften({ recent }: Lane): boolean {
    const now = this.#clock.now();
    const { sleepLimit, windowMs } = this.#limit;
    while (recent.length > sleepLimit) recent.shift();
    const isOften = recent.length === sleepLimit && (recent[0] ?? 0) > now - windowMs;
    if (recent.length === sleepLimit) recent.shift();
    recent.push(now);
    return isOften;
  }

  async #wait(lane: Lane, begin: (resolve: () => void) => unknown): Promise<void> {
    lane.waiting++;
    await new Promise<void>((resolve) => {
      begin(resolve);
    });
    lane.waiting--;
  }

  #sweep(): void {
    const tooOld = this.#clock.now() - this.#limit.windowMs;
    let looked = 0;
    for (const [origin, lane] of this.#lanes) {
      if (looked++ === SWEPT_PER_REQUEST) break;
      const isIdle = lane.active === 0 && lane.waiting === 0 && lane.recent.length > 0;
      if (isIdle && ((lane.recent.at(-1) ?? 0) <= tooOld || this.#lanes.size > this.#maxOrigins)) {
        this.#lanes.delete(origin);
      } else if (!isIdle && looked === 1) {
        // Not in the way of those behind it.
        this.#lanes.delete(origin);
        this.#lanes.set(origin, lane);
      } else break;
    }
  }
}
