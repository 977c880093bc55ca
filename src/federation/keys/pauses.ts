/**
 * How long a server's keys are not fetched again: after a fetch that found what was wanted, a minute; while fetches fail, from five
 * seconds on, doubling; while they succeed but the wanted key is not among them, from that minute on, doubling.
 *
 * A server that changes its key must not be locked out by somebody who asks for its keys by names that do not exist, so the longest
 * pauses are minutes, not hours. Bounded: the server that was asked for the longest ago is forgotten first.
 */
import type { ServerName } from '../../matrix/identifiers.ts';
import { LruMap } from '../../ports/lru-map.ts';

export interface PausesOptions {
  readonly maxServers: number;
  /** After a fetch that found what was wanted. */
  readonly minRefetchMs: number;
  /** From 0 up to 1; spreads the retries of servers that failed together. @default Math.random */
  readonly random?: () => number;
}

type Outcome = 'found' | 'not_found' | 'failed';

interface Pause {
  readonly outcome: Outcome;
  readonly lengthMs: number;
  readonly untilTs: number;
}

const FIRST_FAILURE_MS = 5_000;
const MAX_FAILURE_MS = 600_000;
/** Times `minRefetchMs`. */
const MAX_NOT_FOUND_FACTOR = 5;

export class Pauses {
  readonly #options: PausesOptions;
  readonly #pauses: LruMap<ServerName, Pause>;

  constructor(options: PausesOptions) {
    this.#options = options;
    this.#pauses = new LruMap(options.maxServers);
  }

  isOn(server: ServerName, now: number): boolean {
    return now < (this.#pauses.get(server)?.untilTs ?? 0);
  }

  /** Begins the pause after a fetch; `hadKey`: whether it found what was wanted. */
  fetched(server: ServerName, now: number, hadKey: boolean): void {
    const { minRefetchMs } = this.#options;
    if (hadKey) this.#begin(server, now, 'found', minRefetchMs);
    else
      this.#begin(
        server,
        now,
        'not_found',
        this.#next(server, 'not_found', minRefetchMs, MAX_NOT_FOUND_FACTOR * minRefetchMs),
      );
  }

  /** Begins the pause after a fetch that failed; returns its length in ms, which is up to a fifth longer by chance. */
  failed(server: ServerName, now: number): number {
    const { random = Math.random } = this.#options;
    const lengthMs = this.#next(server, 'failed', FIRST_FAILURE_MS, MAX_FAILURE_MS);
    return this.#begin(server, now, 'failed', lengthMs, Math.round(lengthMs * 0.2 * random()));
  }

  #next(server: ServerName, outcome: Outcome, firstMs: number, maxMs: number): number {
    const last = this.#pauses.get(server);
    return last?.outcome === outcome ? Math.min(2 * last.lengthMs, maxMs) : firstMs;
  }

  #begin(server: ServerName, now: number, outcome: Outcome, lengthMs: number, extraMs = 0): number {
    this.#pauses.set(server, { outcome, lengthMs, untilTs: now + lengthMs + extraMs });
    return lengthMs + extraMs;
  }
}
