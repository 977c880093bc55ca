/**
 * The members of a group see each other, whether or not they share a room. Groups come from the configuration.
 *
 * A user may be in several groups, and members may be users of other servers.
 */
import { ConfigError, isUserId } from 'thalamus/module';
import type { ModuleApi, ModuleClass, UserId, UserPresenceState } from 'thalamus/module';

interface Config {
  readonly groups: Readonly<Record<string, readonly UserId[]>>;
}

export class Groups {
  /** From each member to all they share a group with. The relation is the same both ways, so it serves both callbacks. */
  readonly #colleagues = new Map<UserId, Set<UserId>>();

  static parseConfig(config: unknown): Config {
    const { groups = {} } = config as Partial<Config>;
    for (const [name, members] of Object.entries(groups)) {
      if (!Array.isArray(members)) throw new ConfigError('must be a list of user ids', ['groups', name]);
      const wrong = members.findIndex((member) => !isUserId(member));
      if (wrong >= 0) throw new ConfigError('must be a user id such as "@alice:example.org"', ['groups', name, wrong]);
    }
    return { groups };
  }

  constructor({ groups }: Config, api: ModuleApi) {
    for (const members of Object.values(groups)) for (const member of members) this.#add(member, members);
    api.registerPresenceRouterCallbacks(this);
    api.logger.info({ groups: Object.keys(groups).length, members: this.#colleagues.size }, 'groups are ready');
  }

  getUsersForStates(stateUpdates: readonly UserPresenceState[]) {
    const routes = new Map<UserId, UserPresenceState[]>();
    for (const update of stateUpdates) {
      for (const colleague of this.getInterestedUsers(update.userId)) {
        const updates = routes.get(colleague);
        if (updates === undefined) routes.set(colleague, [update]);
        else updates.push(update);
      }
    }
    return routes;
  }

  getInterestedUsers(userId: UserId): Iterable<UserId> {
    return this.#colleagues.get(userId) ?? [];
  }

  #add(member: UserId, members: readonly UserId[]): void {
    const colleagues = this.#colleagues.get(member) ?? new Set();
    this.#colleagues.set(member, colleagues);
    for (const colleague of members) if (colleague !== member) colleagues.add(colleague);
  }
}
Groups satisfies ModuleClass<Config>;
