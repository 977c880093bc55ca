/**
 * The presence router callbacks that a module can register, and how the host combines what they return.
 *
 * `CALLBACK_POINTS` is the one list of them: registration, metrics and the reference page follow it, and the compiler
 * complains when it and `PresenceRouterCallbacks` differ.
 */
import type { UserPresenceState } from '../core/user-presence-state.ts';
import type { UserId } from '../matrix/identifiers.ts';

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
 * The two presence router callbacks. They are two views of one relation, so both are registered, or neither.
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
export interface PresenceRouterCallbacks {
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

/** Registering nothing: allowed, and without effect. @since 0.1 */
export interface NoPresenceRouterCallbacks {
  readonly getUsersForStates?: undefined;
  readonly getInterestedUsers?: undefined;
}

/** How one callback's answers are combined over all modules. @since 0.1 */
export interface CallbackPoint {
  /**
   * `merge`: every module is asked, in configuration order, and the answers are united.
   * `mergeUntilAll`: the same, but the first `PRESENCE_ALL_USERS` ends it.
   */
  readonly kind: 'merge' | 'mergeUntilAll';
  /** The name in the reference server's module API. */
  readonly synapseName: string;
}

/** @since 0.1 */
export type CallbackName = keyof PresenceRouterCallbacks;

/** Every callback there is. @since 0.1 */
export const CALLBACK_POINTS = {
  getUsersForStates: { kind: 'merge', synapseName: 'get_users_for_states' },
  getInterestedUsers: { kind: 'mergeUntilAll', synapseName: 'get_interested_users' },
} as const satisfies Record<CallbackName, CallbackPoint>;
