/**
 * From the query parameter `filter` to a ready filter: inline JSON or the id of a stored one.
 *
 * Clients repeat the same filter with every poll, so that the last ones used are kept ready; stored filters never
 * change. Errors: 400 as in filter.ts; 400 `M_INVALID_PARAM` for an id the user has not stored.
 */
import { MatrixError } from '../../matrix/errors.ts';
import type { UserId } from '../../matrix/identifiers.ts';
import type { AccountSync } from './account-data-sync.ts';
import { DEFAULT_FILTER, parseFilter, parseFilterText, type SyncFilter } from './filter.ts';

const MAX_READY_FILTERS = 2000;
/** Long definitions are compiled each time instead of being kept. */
const MAX_KEPT_LENGTH = 4096;

export class SyncFilters {
  readonly #accounts: Pick<AccountSync, 'findFilter'>;
  readonly #ready = new Map<string, SyncFilter>();

  constructor(accounts: Pick<AccountSync, 'findFilter'>) {
    this.#accounts = accounts;
  }

  /** Filters kept ready. */
  get size(): number {
    return this.#ready.size;
  }

  /** At once where nothing has to be looked up. */
  resolve(userId: UserId, parameter: string | null): SyncFilter | Promise<SyncFilter> {
    if (parameter === null || parameter === '') return DEFAULT_FILTER;
    const isInline = parameter.startsWith('{');
    const key = isInline ? parameter : `${userId} ${parameter}`;
    const ready = this.#ready.get(key);
    if (ready !== undefined) return ready;
    return isInline ? this.#keep(key, parseFilterText(parameter)) : this.#load(userId, parameter, key);
  }

  async #load(userId: UserId, filterId: string, key: string): Promise<SyncFilter> {
    const definition = await this.#accounts.findFilter(userId, filterId);
    if (definition === null || definition === undefined) {
      throw new MatrixError(
        400,
        'M_INVALID_PARAM',
        "Query parameter 'filter' is neither a stored filter's id nor JSON",
      );
    }
    return this.#keep(key, parseFilter(definition));
  }

  /** Drops the oldest: an entry costs one parse to make again. */
  #keep(key: string, filter: SyncFilter): SyncFilter {
    if (key.length > MAX_KEPT_LENGTH) return filter;
    this.#ready.set(key, filter);
    if (this.#ready.size > MAX_READY_FILTERS) {
      for (const oldest of this.#ready.keys()) {
        this.#ready.delete(oldest);
        break;
      }
    }
    return filter;
  }
}
