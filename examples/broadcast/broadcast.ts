/**
 * Some users are seen by everyone on this server, and one user sees all.
 *
 * Think of the help desk whose state everybody wants to know, and of the wall display that shows who is in.
 */
import { ConfigError, isUserId, PRESENCE_ALL_USERS } from 'thalamus/module';
import type { InterestedUsers, ModuleApi, ModuleClass, UserId, UserPresenceState } from 'thalamus/module';

interface Config {
  readonly seen_by_everyone: readonly UserId[];
  readonly sees_all: UserId | null;
}

export class Broadcast {
  readonly #seenByEveryone: ReadonlySet<UserId>;
  readonly #seesAll: UserId | null;
  /** Everyone who has asked so far: whoever syncs is somebody. */
  readonly #everyone = new Set<UserId>();

  static parseConfig(config: unknown): Config {
    const { seen_by_everyone = [], sees_all = null } = config as Partial<Config>;
    if (!Array.isArray(seen_by_everyone) || !seen_by_everyone.every(isUserId)) {
      throw new ConfigError('must be a list of user ids', ['seen_by_everyone']);
    }
    if (sees_all !== null && !isUserId(sees_all)) throw new ConfigError('must be a user id', ['sees_all']);
    return { seen_by_everyone, sees_all };
  }

  constructor(config: Config, api: ModuleApi) {
    this.#seenByEveryone = new Set(config.seen_by_everyone);
    this.#seesAll = config.sees_all;
    api.registerPresenceRouterCallbacks(this);
  }

  getUsersForStates(stateUpdates: readonly UserPresenceState[]) {
    const routes = new Map<UserId, readonly UserPresenceState[]>();
    const forEveryone = stateUpdates.filter(({ userId }) => this.#seenByEveryone.has(userId));
    if (forEveryone.length > 0) for (const userId of this.#everyone) routes.set(userId, forEveryone);
    if (this.#seesAll !== null) routes.set(this.#seesAll, stateUpdates);
    return routes;
  }

  getInterestedUsers(userId: UserId): InterestedUsers {
    if (userId === this.#seesAll) return PRESENCE_ALL_USERS;
    this.#everyone.add(userId);
    return this.#seenByEveryone;
  }
}
Broadcast satisfies ModuleClass<Config>;
