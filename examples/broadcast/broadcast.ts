/**
 * Some users are seen by everyone on this server, and one user sees all.
 *
 * Think of the help desk whose state everybody wants to know, and of the wall display that shows who is in.
 */
import { ConfigError, isUserId, ObserverRelation, PRESENCE_ALL_USERS } from 'thalamus/module';
import type { ModuleApi, ModuleClass, UserId } from 'thalamus/module';

interface Config {
  readonly seen_by_everyone: readonly UserId[];
  readonly sees_all: UserId | null;
}

export class Broadcast {
  static parseConfig(config: unknown): Config {
    const { seen_by_everyone = [], sees_all = null } = config as Partial<Config>;
    if (!Array.isArray(seen_by_everyone) || !seen_by_everyone.every(isUserId)) {
      throw new ConfigError('must be a list of user ids', ['seen_by_everyone']);
    }
    if (sees_all !== null && !isUserId(sees_all)) throw new ConfigError('must be a user id', ['sees_all']);
    return { seen_by_everyone, sees_all };
  }

  constructor(config: Config, api: ModuleApi) {
    const relation = new ObserverRelation();
    for (const source of config.seen_by_everyone) relation.add(PRESENCE_ALL_USERS, source);
    if (config.sees_all !== null) relation.add(config.sees_all, PRESENCE_ALL_USERS);
    relation.register(api);
  }
}
Broadcast satisfies ModuleClass<Config>;
