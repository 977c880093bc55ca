/**
 * The members of a group see each other, whether or not they share a room. Groups come from the configuration.
 *
 * A user may be in several groups, and members may be users of other servers.
 */
import { ConfigError, isUserId, ObserverRelation, pairsOfGroups } from 'thalamus/module';
import type { ModuleApi, ModuleClass, UserId } from 'thalamus/module';

interface Config {
  readonly groups: Readonly<Record<string, readonly UserId[]>>;
}

export class Groups {
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
    const relation = new ObserverRelation(pairsOfGroups(Object.values(groups))).register(api);
    api.logger.info({ groups: Object.keys(groups).length, pairs: relation.size }, 'groups are ready');
  }
}
Groups satisfies ModuleClass<Config>;
