/**
 * The presence router callbacks that a module can register, and how the host combines what they return.
 *
 * `CALLBACK_POINTS` is the one list of them: registration, metrics and the reference page follow it, and the compiler
 * complains when it and `PresenceRouterCallbacks` differ.
 */
import type { UserPresenceState } from '../core/user-presence-state.ts';
import type { ServerName, UserId } from '../matrix/identifiers.ts';

/**
 * Answer of `getInterestedUsers` that means: every user this server knows, local or remote.
 *
 * A string rather than a symbol, so that answers can cross to a worker thread.
 *
 * @since 0.1
 */
export const PRESENCE_ALL_USERS = 'ALL';
/** @since 0.1 */
export type PresenceAllUsers = typeof PRESENCE_ALL_USERS;

/**
 * What every callback gets as its last argument.
 *
 * @example
 * ```ts
 * async getInterestedUsers(userId: UserId, { signal }: CallbackContext) {
 *   const response = await fetch(`https://directory.example.org/${encodeURIComponent(userId)}`, { signal });
 *   return (await response.json()) as UserId[];
 * }
 * ```
 * @since 0.1
 */
export interface CallbackContext {
  /** Aborted at the deadline, after which the answer is ignored, and when the server stops. Made when first read. */
  readonly signal: AbortSignal;
}

/**
 * What `getUsersForStates` returns: from each user to the updates that they are to get.
 *
 * A Map, or a plain object. The updates are any iterable of objects; only their `userId` counts, and it has to be one of
 * this batch: what is delivered is always the server's own record.
 *
 * @since 0.1
 */
export type UsersForStates =
  | ReadonlyMap<UserId, Iterable<RoutedUpdate>>
  | Readonly<Record<UserId, Iterable<RoutedUpdate>>>;

/** An update, by the user whose presence it is. A `UserPresenceState` is one. @since 0.1 */
export type RoutedUpdate = Pick<UserPresenceState, 'userId'>;

/** What `getInterestedUsers` returns: any iterable of user ids, or all users. @since 0.1 */
export type InterestedUsers = Iterable<UserId> | PresenceAllUsers;

/**
 * Who may get presence: a local user, or another server, which stands for all of its users. Ids of users begin with `@`, names of servers
 * never do.
 *
 * @since 0.1
 */
export type Observer = UserId | ServerName;

/** What can be kept back of a presence event. @since 0.1 */
export type HideableField = 'last_active_ago' | 'currently_active' | 'status_msg';

/**
 * What an observer does not get of a source's presence.
 *
 * - `'deny'`: they do not see the source at all, as if they had nothing to do with each other.
 * - `'offline'`: the source is offline to them, whatever it does.
 * - `{ hide }`: they see the source without these fields.
 *
 * Several add up: denying wins, then offline; hidden fields unite.
 *
 * @since 0.1
 */
export type Restriction = 'deny' | 'offline' | { readonly hide: Iterable<HideableField> };

/** The key of `Restrictions` that stands for everybody it does not name, asked about or not. @since 0.1 */
export const EVERYBODY_ELSE = '*';
/** @since 0.1 */
export type EverybodyElse = typeof EVERYBODY_ELSE;

/**
 * What `getRestrictions` returns.
 *
 * - Nothing (`undefined`, `null`): no restriction for anybody, asked about or not.
 * - A `Restriction`: for everybody, asked about or not.
 * - A `Map`, or a plain object, from observer to restriction (or `null` for none): about the observers asked about. Those it does not name get
 *   everything. With the key `EVERYBODY_ELSE` it is about everybody else, too, asked about or not.
 *
 * What is about everybody costs one call for a source, however many observers there are: the server does not ask again until
 * `invalidateRestrictions`.
 *
 * @example
 * ```ts
 * 'offline'
 * { hide: ['last_active_ago', 'status_msg'] }
 * new Map([['@ex:example.org', 'deny'], ['matrix.org', { hide: ['status_msg'] }]])
 * new Map([['@friend:example.org', null], [EVERYBODY_ELSE, 'deny']])
 * ```
 * @since 0.1
 */
export type Restrictions =
  | void
  | null
  | undefined
  | Restriction
  | ReadonlyMap<Observer | EverybodyElse, Restriction | null | undefined>
  | Readonly<Record<Observer | EverybodyElse, Restriction | null | undefined>>;

/**
 * The third callback: it keeps presence back, from whomever it would reach by a shared room or by any module.
 *
 * Optional beside the pair of `PresenceRouterCallbacks`, and possible without it: a module that only restricts.
 *
 * @example
 * ```ts
 * api.registerPresenceRouterCallbacks({
 *   getRestrictions: (source) => (this.#onLeave.has(source) ? 'offline' : null),
 * });
 * ```
 * @since 0.1
 */
export interface RestrictionCallback {
  /**
   * Tells which of these observers must not get the source's presence, or get less of it.
   *
   * Called before anything of the source reaches an observer about whom no answer is known yet, on every path; what may not be told yet
   * waits. Answers are kept until `invalidateRestrictions`. If the call fails, the module's last answer stands; without one
   * `module_callbacks.on_failure` decides: `deny` unless the configuration says `allow`.
   *
   * @param source - whose presence it is: a local or remote user
   * @param observers - frozen, without duplicates, never the source itself: local users and other servers
   */
  getRestrictions(
    source: UserId,
    observers: readonly Observer[],
    context: CallbackContext,
  ): Restrictions | Promise<Restrictions>;
}

/**
 * The two presence router callbacks. They are two views of one relation, so both are registered, or neither; `getRestrictions` may be
 * with them.
 *
 * Either may return its answer or a promise of it. An answer at once is cheaper; a promise has a deadline (2 s unless the
 * configuration says otherwise), after which `context.signal` aborts and the answer is ignored.
 *
 * @example
 * ```ts
 * api.registerPresenceRouterCallbacks({
 *   getUsersForStates: (stateUpdates) => new Map([['@kiosk:example.org', stateUpdates]]),
 *   getInterestedUsers: (userId) => (userId === '@kiosk:example.org' ? PRESENCE_ALL_USERS : []),
 * });
 * ```
 * @since 0.1
 */
export interface PresenceRouterCallbacks extends Partial<RestrictionCallback> {
  /**
   * Tells who gets these updates in addition to those who get them anyway.
   *
   * Called once for each batch of updates: all that changed together, of local and of remote users, at most one update
   * per user. The array and the states are frozen. Answers of several modules are merged per user.
   */
  getUsersForStates(
    stateUpdates: readonly UserPresenceState[],
    context: CallbackContext,
  ): UsersForStates | Promise<UsersForStates>;

  /**
   * Tells whose presence a local user may see in addition to those they see anyway.
   *
   * Called when the user syncs, and when a module calls `invalidateInterestedUsers`. Answers of several modules are merged;
   * the first `PRESENCE_ALL_USERS` is the answer, and the modules after it are not asked.
   */
  getInterestedUsers(userId: UserId, context: CallbackContext): InterestedUsers | Promise<InterestedUsers>;
}

/** Registering without the pair: `getRestrictions` alone, or nothing, which is allowed and without effect. @since 0.1 */
export interface NoPresenceRouterCallbacks extends Partial<RestrictionCallback> {
  readonly getUsersForStates?: undefined;
  readonly getInterestedUsers?: undefined;
}

/** How one callback's answers are combined over all modules. @since 0.1 */
export interface CallbackPoint {
  /**
   * `merge`: every module is asked, in configuration order, and the answers are united.
   * `mergeUntilAll`: the same, but the first `PRESENCE_ALL_USERS` ends it.
   * `restrict`: every module is asked, all at the same time, and the restrictions add up.
   */
  readonly kind: 'merge' | 'mergeUntilAll' | 'restrict';
  /** The name in the reference server's module API; null for what only this server has. */
  readonly synapseName: string | null;
}

/** @since 0.1 */
export type CallbackName = keyof PresenceRouterCallbacks;

/** Every callback there is. @since 0.1 */
export const CALLBACK_POINTS = {
  getUsersForStates: { kind: 'merge', synapseName: 'get_users_for_states' },
  getInterestedUsers: { kind: 'mergeUntilAll', synapseName: 'get_interested_users' },
  getRestrictions: { kind: 'restrict', synapseName: null },
} as const satisfies Record<CallbackName, CallbackPoint>;
