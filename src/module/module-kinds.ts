/**
 * The forms in which a module can be written: a class, a function, or a plain object.
 *
 * The server tells them apart by what the file exports. All take the same two arguments and can check their own
 * configuration; a class is what a port from the reference server is written as.
 */
import type { NoPresenceRouterCallbacks, PresenceRouterCallbacks } from './callbacks.ts';
import type { ModuleApi } from './module-api.ts';

/**
 * What all forms may have beside themselves.
 *
 * @since 0.1
 */
export interface ModuleStatics<Config> {
  /** The `MODULE_API_VERSION` it was written for; another one is refused at start. Left out: any. */
  readonly apiVersion?: number;
  /**
   * Turns the `config` mapping of the configuration file into what the module wants. Called when the configuration is read,
   * before anything runs. Gets `{}` if the file has none. Without it, the module gets the mapping itself. Both are frozen.
   *
   * @throws ConfigError with the path to what is wrong inside `config`; anything else thrown is reported, too
   */
  parseConfig?(config: unknown): Config;
}

/**
 * A module as a class: `new Module(config, api)`, once for each entry in `modules`.
 *
 * @example
 * ```ts
 * import type { ModuleApi, ModuleClass } from 'thalamus/module';
 *
 * export class Broadcast {
 *   constructor(config: Config, api: ModuleApi) { … }
 * }
 * Broadcast satisfies ModuleClass<Config>;
 * ```
 * @since 0.1
 */
export interface ModuleClass<Config = unknown> extends ModuleStatics<Config> {
  new (config: Config, api: ModuleApi): object;
}

/**
 * A module as a function, called once for each entry in `modules`. What it returns is taken care of: callbacks are registered,
 * and the object is disposed of at shutdown. It may be asynchronous; the start waits for it, up to a limit.
 *
 * @example
 * ```ts
 * export default function kiosk(config: { kiosk: UserId }): PresenceRouterCallbacks {
 *   return { getUsersForStates: …, getInterestedUsers: … };
 * }
 * ```
 * @since 0.1
 */
export interface ModuleFunction<Config = unknown> extends ModuleStatics<Config> {
  (config: Config, api: ModuleApi): ModuleResult | Promise<ModuleResult>;
}

/**
 * A module as a plain object: `setup` is called as a `ModuleFunction` is; callbacks of the object itself are registered.
 *
 * The object is one and the same for all entries that name it: keep state in what `setup` returns.
 *
 * @example
 * ```ts
 * export default {
 *   getUsersForStates: (stateUpdates) => ({ '@kiosk:example.org': stateUpdates }),
 *   getInterestedUsers: (userId) => (userId === '@kiosk:example.org' ? 'ALL' : []),
 * } satisfies ModuleObject;
 * ```
 * @since 0.1
 */
export type ModuleObject<Config = unknown> = ModuleStatics<Config> & {
  setup?(config: Config, api: ModuleApi): ModuleResult | Promise<ModuleResult>;
} & (PresenceRouterCallbacks | NoPresenceRouterCallbacks);

/** What a function or `setup` may return. @since 0.1 */
export type ModuleResult =
  | undefined
  | void
  | (Partial<Disposable & AsyncDisposable> & (PresenceRouterCallbacks | NoPresenceRouterCallbacks));

/** Any of the three. @since 0.1 */
export type ModuleDefinition<Config = unknown> = ModuleClass<Config> | ModuleFunction<Config> | ModuleObject<Config>;
