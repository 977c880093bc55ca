/**
 * Tells others the keys of servers we know, signed by us, too: our part as a key server.
 *
 * Strangers may ask, so their questions must not turn this server on others: few servers a question, and all questions together
 * cause one fetch a second, besides what the key ring allows. What is known is answered without a fetch.
 * Source: Matrix specification, server-server API, "Querying Keys Through Another Server".
 */
import type { ServerName } from '../../matrix/identifiers.ts';
import type { Clock } from '../../ports/clock.ts';
import type { KeyRing } from './key-ring.ts';
import type { OwnKeys } from './own-keys.ts';

export interface KeyNotaryOptions {
  readonly serverName: ServerName;
  readonly ring: Pick<KeyRing, 'documentOf'>;
  readonly ownKeys: OwnKeys;
  readonly clock: Clock;
  /** @default 20 */
  readonly maxFetchesAtOnce?: number;
  /** @default 1 */
  readonly fetchesPerSecond?: number;
}

export class KeyNotary {
  readonly #options: KeyNotaryOptions;
  readonly #maxFetches: number;
  #fetchesLeft: number;
  #countedTs: number;

  constructor(options: KeyNotaryOptions) {
    this.#options = options;
    this.#maxFetches = options.maxFetchesAtOnce ?? 20;
    this.#fetchesLeft = this.#maxFetches;
    this.#countedTs = options.clock.now();
  }

  /**
   * The documents that can be had, as JSON texts in the order of `servers`; those of the others are missing.
   *
   * @param servers - to the time until which the keys should be good, in ms; without one, now
   */
  async query(servers: ReadonlyMap<ServerName, number | null>): Promise<readonly string[]> {
    const { serverName, ring, ownKeys, clock } = this.#options;
    const documents = await Promise.all(
      [...servers].map(async ([server, minimumTs]) => {
        if (server === serverName) return ownKeys.text();
        return await ring.documentOf(server, minimumTs ?? clock.now(), () => this.#mayFetch());
      }),
    );
    return documents.filter((document) => document !== null);
  }

  #mayFetch(): boolean {
    const { clock, fetchesPerSecond = 1 } = this.#options;
    const now = clock.now();
    const regained = ((now - this.#countedTs) / 1_000) * fetchesPerSecond;
    this.#fetchesLeft = Math.min(this.#maxFetches, this.#fetchesLeft + regained);
    this.#countedTs = now;
    if (this.#fetchesLeft < 1) return false;
    this.#fetchesLeft -= 1;
    return true;
  }
}
