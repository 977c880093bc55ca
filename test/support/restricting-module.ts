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
  /** Answers wait until this is false, and are those of that time. */
  readonly isWaiting?: boolean;
  /** Who gets a source's updates in addition. */
  readonly routes?: Readonly<Record<string, readonly string[]>>;
  /** Whom an observer is interested in. @default what follows from `routes` */
  readonly interest?: Readonly<Record<string, readonly string[] | 'ALL'>>;
}

/** What `POST /_rules` takes. Whatever is given is done, in this order. */
export interface RulesRequest {
  readonly rules?: Rules;
  readonly isBroken?: boolean;
  readonly isWaiting?: boolean;
  readonly routes?: RestrictingConfig['routes'];
  readonly interest?: RestrictingConfig['interest'];
  /** True for all. */
  readonly invalidate?: readonly string[] | true;
  readonly snapshotTo?: readonly string[];
}

const SOURCE = `
import type { CallbackContext, ModuleApi, Observer, Restrictions, UserId, UserPresenceState } from 'thalamus/module';

export default class Restricting {
  readonly #api: ModuleApi;
  #config: any;
  readonly #asked: Observer[][] = [];
  #waiting: (() => void)[] = [];

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

  getInterestedUsers(userId: UserId): UserId[] | 'ALL' {
    if (this.#config.interest !== undefined) return this.#config.interest[userId] ?? [];
    return Object.keys(this.#config.routes).filter((source) => this.#config.routes[source].includes(userId)) as UserId[];
  }

  getRestrictions(source: UserId, observers: readonly Observer[], _context?: CallbackContext): Restrictions | Promise<Restrictions> {
    this.#asked.push([source, ...observers]);
    if (this.#config.isBroken) throw new Error('broken');
    const answer = this.#config.rules?.[source] ?? null;
    if (this.#config.isWaiting) return new Promise((resolve) => this.#waiting.push(() => resolve(this.#config.rules?.[source] ?? null)));
    const { delayMs = 0 } = this.#config;
    return delayMs === 0 ? answer : new Promise((resolve) => setTimeout(resolve, delayMs, answer));
  }

  async #change(request: Request): Promise<Response> {
    const { rules, isBroken, isWaiting, routes, interest, invalidate, snapshotTo } = (await request.json()) as any;
    if (rules !== undefined) this.#config.rules = { ...this.#config.rules, ...rules };
    if (isBroken !== undefined) this.#config.isBroken = isBroken;
    if (isWaiting !== undefined) this.#config.isWaiting = isWaiting;
    if (isWaiting === false) for (const answer of this.#waiting.splice(0)) answer();
    if (routes !== undefined) this.#config.routes = { ...this.#config.routes, ...routes };
    if (interest !== undefined) this.#config.interest = { ...this.#config.interest, ...interest };
    if (routes !== undefined || interest !== undefined) this.#api.invalidateInterestedUsers();
    if (invalidate === true) this.#api.invalidateRestrictions();
    else if (invalidate !== undefined) this.#api.invalidateRestrictions(invalidate);
    if (snapshotTo !== undefined) await this.#api.sendLocalOnlinePresenceTo(snapshotTo);
    return Response.json({ asked: this.#asked });
  }
}
`;

/** What it answers. */
export interface RulesAnswer {
  /** Every question: the source, and the observers. */
  readonly asked: readonly (readonly string[])[];
}

export function restrictingModule(
  config: RestrictingConfig,
  entry: Omit<TestModule, 'source' | 'config'> = {},
): TestModule {
  return { ...entry, source: SOURCE, config };
}
