/**
 * Some users appear offline to everybody but to friends of their choice, however many rooms they share.
 *
 * They see others as before. Clients that hide their own user's presence cannot do this: they tell friends as little as anybody else.
 */
import { ConfigError, EVERYBODY_ELSE, isUserId, serverNameOf } from 'thalamus/module';
import type { EverybodyElse, ModuleApi, ModuleClass, Observer, Restriction, UserId } from 'thalamus/module';

interface Config {
  /** From each invisible user to their friends. */
  readonly invisible: Readonly<Record<UserId, readonly UserId[]>>;
}

export class Invisible {
  readonly #friends: ReadonlyMap<string, readonly UserId[]>;
  readonly #api: ModuleApi;

  static parseConfig(config: unknown): Config {
    const { invisible = {} } = config as Partial<Config>;
    for (const [userId, friends] of Object.entries(invisible)) {
      if (!isUserId(userId))
        throw new ConfigError('must be a user id such as "@alice:example.org"', ['invisible', userId]);
      if (!Array.isArray(friends) || !friends.every(isUserId)) {
        throw new ConfigError('must be a list of user ids', ['invisible', userId]);
      }
    }
    return { invisible };
  }

  constructor({ invisible }: Config, api: ModuleApi) {
    this.#friends = new Map(Object.entries(invisible));
    this.#api = api;
    api.registerPresenceRouterCallbacks(this);
  }

  /** About everybody at once, asked about or not: the server asks once for each user, and keeps the answer. */
  getRestrictions(source: UserId) {
    const friends = this.#friends.get(source);
    if (friends === undefined) return null;
    const restrictions = new Map<Observer | EverybodyElse, Restriction | null>([[EVERYBODY_ELSE, 'offline']]);
    // A friend with an account elsewhere is reached through their server, which gets what the friend may see.
    for (const friend of friends) {
      restrictions.set(this.#api.isMine(friend) ? friend : serverNameOf(friend), null);
    }
    return restrictions;
  }
}
Invisible satisfies ModuleClass<Config>;
