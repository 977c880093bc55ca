/**
 * One user receives the presence of some others, whether or not they share a room.
 */
import { ConfigError, isUserId } from 'thalamus/module';
import type { ModuleApi, ModuleClass, UserId, UserPresenceState } from 'thalamus/module';

type Config = { readonly watcher?: UserId; readonly watched?: readonly UserId[] };

export class CustomPresenceRouter {
  readonly #watcher: UserId;
  readonly #watched: ReadonlySet<UserId>;

  static parseConfig(config: Config): Config {
    const { watcher, watched = [] } = config;
    if (watcher !== undefined && !isUserId(watcher)) throw new ConfigError('must be a user id', ['watcher']);
    if (!Array.isArray(watched) || !watched.every(isUserId)) {
      throw new ConfigError('must be a list of user ids', ['watched']);
    }
    return config;
  }

  constructor({ watcher, watched }: Config, api: ModuleApi) {
    this.#watcher = watcher ?? api.getQualifiedUserId('alice');
    this.#watched = new Set(watched ?? [api.getQualifiedUserId('bob'), api.getQualifiedUserId('charlie')]);
    api.registerPresenceRouterCallbacks(this);
  }

  getUsersForStates(stateUpdates: readonly UserPresenceState[]) {
    return new Map([[this.#watcher, stateUpdates.filter(({ userId }) => this.#watched.has(userId))]]);
  }

  getInterestedUsers(userId: UserId) {
    return userId === this.#watcher ? this.#watched : [];
  }
}
CustomPresenceRouter satisfies ModuleClass<Config>;
