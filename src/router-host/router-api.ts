/**
 * What the rest of the server sees of the router host: the merged, checked answers of all modules.
 *
 * All questions are answered at once when every module answers at once, and by a promise otherwise. Neither ever throws or
 * rejects: whatever goes wrong in a module is logged, counted, and adds nobody. Where presence is kept back it is the other way round: what goes wrong
 * takes nothing off.
 */
import type { Observer, RestrictionAnswer, RoutingAnswer } from '../core/engine-api.ts';
import { Form } from '../core/forms.ts';
import type { UserPresenceState } from '../core/user-presence-state.ts';
import type { UserId } from '../matrix/identifiers.ts';
import type { PresenceAllUsers } from '../module/callbacks.ts';
import type { Examination, ExamineQuestion } from './examine-modules.ts';

/** Whose presence an observer wants in addition: valid user ids without duplicates, or everybody known. */
export type Interest = readonly UserId[] | PresenceAllUsers;

/** The restrictions of all modules on one source's presence. With `others: null`, whoever is named without having been asked about counts for nothing. */
export interface Restrictions extends RestrictionAnswer {
  /** False when a module failed: what it said last stands, or its `on_failure`, and it is to be asked again later. */
  readonly isFinal: boolean;
}

export interface Router {
  /** False until a module has registered the pair; then nobody needs to be asked about routes and interest. Final once modules are constructed. */
  readonly hasCallbacks: boolean;

  /**
   * Whether a module restricts, or may, as long as modules are still to be constructed: then nobody knows yet. Still so when modules are
   * stopped: nothing is given away then.
   */
  readonly restricts: boolean;

  /**
   * The longest that one module may take, in ms: what a sync waits for `getInterestedUsers` of one module at most, and for `getRestrictions`
   * of all of them. 0 without callbacks.
   */
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

  /**
   * Asks every module, all at the same time, what these observers must not get of the source's presence.
   *
   * While a module fails, its last answer about the source and the observer stands; without one `on_failure` decides.
   *
   * @param observers - local users and other servers, without duplicates and without the source
   */
  getRestrictions(source: UserId, observers: readonly Observer[]): Restrictions | Promise<Restrictions>;

  /** What every module says now about one pair, for explanations: leaves no trace. Never rejects. */
  examine(question: ExamineQuestion): Promise<Examination>;

  /** Forgets remembered answers of `getInterestedUsers`: call it for observers who are not connected any more. Without argument, of all. */
  forgetObservers(users?: Iterable<UserId>): void;
}

/** The empty answers; never changed. */
export const NO_ROUTES: RoutingAnswer = new Map();
export const NOBODY: readonly UserId[] = [];
export const UNRESTRICTED: Restrictions = { others: Form.FULL, observers: new Map(), isFinal: true };
