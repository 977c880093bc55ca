/**
 * What other servers get of this server's users: everything, less, or nothing, by name of the server.
 *
 * Servers that are not named get what `others` says. Users of this server are not concerned.
 */
import { ConfigError, isServerName, isUserId } from 'thalamus/module';
import type { ModuleApi, ModuleClass, Observer, Restriction, ServerName, UserId } from 'thalamus/module';

/** `reduced`: whether somebody is online, and no more. */
type Policy = 'allow' | 'reduced' | 'deny';

interface Config {
  readonly servers: Readonly<Record<ServerName, Policy>>;
  readonly others: Policy;
}

const RESTRICTIONS: Readonly<Record<Policy, Restriction | null>> = {
  allow: null,
  reduced: { hide: ['last_active_ago', 'currently_active', 'status_msg'] },
  deny: 'deny',
};

export class FederationPolicy {
  readonly #policies: ReadonlyMap<string, Policy>;
  readonly #others: Policy;
  readonly #api: ModuleApi;

  static parseConfig(config: unknown): Config {
    const { servers = {}, others = 'allow' } = config as Partial<Config>;
    const should = `must be one of ${Object.keys(RESTRICTIONS).join(', ')}`;
    for (const [server, policy] of Object.entries(servers)) {
      if (!isServerName(server)) throw new ConfigError('must be the name of a server', ['servers', server]);
      if (!Object.hasOwn(RESTRICTIONS, policy)) throw new ConfigError(should, ['servers', server]);
    }
    if (!Object.hasOwn(RESTRICTIONS, others)) throw new ConfigError(should, ['others']);
    return { servers, others };
  }

  constructor({ servers, others }: Config, api: ModuleApi) {
    this.#policies = new Map(Object.entries(servers));
    this.#others = others;
    this.#api = api;
    api.registerPresenceRouterCallbacks(this);
  }

  getRestrictions(source: UserId, observers: readonly Observer[]) {
    // What users of other servers do is for their servers to tell.
    if (!this.#api.isMine(source)) return null;
    const restrictions = new Map<Observer, Restriction | null>();
    for (const observer of observers) {
      if (isUserId(observer)) continue;
      restrictions.set(observer, RESTRICTIONS[this.#policies.get(observer) ?? this.#others]);
    }
    return restrictions;
  }
}
FederationPolicy satisfies ModuleClass<Config>;
