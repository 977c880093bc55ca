/**
 * A module for tests whose rules are data: source → observer (or `*`) → restriction, changed while the server runs by `POST /_rules`.
 *
 * It is the source of a real module file, so it goes through the same loader as an administrator's.
 */
import type { TestModule } from './test-config.ts';

/** By source; without one there is no restriction. A text or `hide` is for everybody. */
export type Rules = Readonly<Record<string, RuleFor>>;
export type Rule = 'deny' | 'offline' | { readonly hide: readonly string[] } | null;
export type RuleFor = Rule | Readonly<Record<string, Rule>>;

export interface RestrictingConfig {
  readonly rules?: Rules;
  /** Answers are given so much later, in ms. @default at once */
  readonly delayMs?: number;
  /** Throws in place of an answer. */
  readonly isBroken?: boolean;
  /** Who gets a source's updates in addition. */
  readonly routes?: Readonly<Record<string, readonly string[]>>;
}

/** What `POST /_rules` takes. Whatever is given is done, in this order. */
export interface RulesRequest {
  readonly rules?: Rules;
  readonly isBroken?: boolean;
  readonly routes?: Readonly<Record<string, readonly string[]>>;
  /** True for all. */
  readonly invalidate?: readonly string[] | true;
  readonly snapshotTo?: readonly string[];
}

const SOURCE = `
import type { CallbackContext, ModuleApi, Observer, Restrictions, UserId, UserPresenceState } from 'thalamus/module';

export default class Restricting {
  readonly #api: ModuleApi;
  #config: any;
  #asked = 0;

  constructor(config: any, api: ModuleApi) {
    this.#api = api;
    this.#config = { ...config };
    if (config.routes !== undefined) api.registerPresenceRouterCallbacks(this);
    else api.registerPresenceRouterCallbacks({ getRestrictions: (source, observers) => this.getRestrictions(source, observers) });
    api.registerWebResource('/_rules', (request) => this.#change(request));
  }

  getUsersForStates(updates: readonly UserPresenceState[]) {
    const users = new Map<UserId, UserPresenceState[]>();
    for (const update of updates) {
      for (const target of this.#config.routes[update.userId] ?? []) users.set(target, [...(users.get(target) ?? []), update]);
    }
    return users;
  }

  getInterestedUsers(userId: UserId): UserId[] {
    return Object.keys(this.#config.routes).filter((source) => this.#config.routes[source].includes(userId)) as UserId[];
  }

  getRestrictions(source: UserId, _observers: readonly Observer[], _context?: CallbackContext): Restrictions | Promise<Restrictions> {
    this.#asked++;
    if (this.#config.isBroken) throw new Error('broken');
    const answer = this.#config.rules?.[source] ?? null;
    const { delayMs = 0 } = this.#config;
    return delayMs === 0 ? answer : new Promise((resolve) => setTimeout(resolve, delayMs, answer));
  }

  async #change(request: Request): Promise<Response> {
    const { rules, isBroken, routes, invalidate, snapshotTo } = (await request.json()) as any;
    if (rules !== undefined) this.#config.rules = { ...this.#config.rules, ...rules };
    if (isBroken !== undefined) this.#config.isBroken = isBroken;
    if (routes !== undefined) this.#config.routes = { ...this.#config.routes, ...routes };
    if (routes !== undefined) this.#api.invalidateInterestedUsers();
    if (invalidate === true) this.#api.invalidateRestrictions();
    else if (invalidate !== undefined) this.#api.invalidateRestrictions(invalidate);
    if (snapshotTo !== undefined) await this.#api.sendLocalOnlinePresenceTo(snapshotTo);
    return Response.json({ asked: this.#asked });
  }
}
`;

export function restrictingModule(
  config: RestrictingConfig,
  entry: Omit<TestModule, 'source' | 'config'> = {},
): TestModule {
  return { ...entry, source: SOURCE, config };
}
