/**
 * What the rest of the server sees of the router host: the merged, checked answers of all modules.
 *
 * Both questions are answered at once when every module answers at once, and by a promise otherwise. Neither ever throws or
 * rejects: whatever goes wrong in a module is logged, counted, and adds nobody.
 */
import type { RoutingAnswer } from '../core/engine-api.ts';
import type { UserPresenceState } from '../core/user-presence-state.ts';
import type { UserId } from '../matrix/identifiers.ts';
import type { PresenceAllUsers } from '../module/callbacks.ts';

/** Whose presence an observer wants in addition: valid user ids without duplicates, or everybody known. */
export type Interest = readonly UserId[] | PresenceAllUsers;

export interface Router {
  /** False until a module has registered callbacks; then nothing below needs to be asked. Final once modules are constructed. */
  readonly hasCallbacks: boolean;

  /** The longest that one module may take, in ms: what a sync waits for `getInterestedUsers` at most. 0 without callbacks. */
  readonly deadlineMs: number;

  /**
   * Asks every module, in order, who else gets these updates.
   *
   * @param states - one batch: at most one state per user, frozen, local and remote alike; the array is not kept
   * @returns source → targets. A source that nobody was named for has no entry. Targets are valid user ids without
   *   duplicates, local or remote, known or not.
   */
  getUsersForStates(states: readonly UserPresenceState[]): RoutingAnswer | Promise<RoutingAnswer>;

  /**
   * Asks every module, in order, whom this local user may see in addition; the first ALL ends it.
   *
   * An answer that is the same as the last one is the very same array. While a module fails, its last good answer for the
   * user stands, until `forgetObservers`.
   */
  getInterestedUsers(userId: UserId): Interest | Promise<Interest>;

  /** Forgets remembered answers: call it for observers who are not connected any more. Without argument, of all. */
  forgetObservers(users?: Iterable<UserId>): void;
}

/** The empty answers; never changed. */
export const NO_ROUTES: RoutingAnswer = new Map();
export const NOBODY: readonly UserId[] = [];
