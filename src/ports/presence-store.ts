/**
 * Durable presence: one row per user, the stream's ceiling, routing answers and full-presence marks.
 *
 * Every method resolves when its effect is durable against the death of this process, and either happens whole or not
 * at all. Writes of one caller are applied in call order. Failures throw `PortError`.
 */
import type { UserPresenceState } from '../core/user-presence-state.ts';
import type { UserId } from '../matrix/identifiers.ts';

export interface PresenceRow {
  readonly state: UserPresenceState;
  /** Stream position of the last change that was told to anybody; 0 for none. Saving never moves it. */
  readonly position: number;
}

export interface StoredPresence extends PresenceRow {
  /** Users whom the routers named for the last change: the kept answer of `getUsersForStates`. No duplicates. */
  readonly routedTo: readonly UserId[];
  /** Stream position at which that answer was delivered; 0 when `routedTo` is empty. */
  readonly routedPosition: number;
}

export interface RoutedAnswer {
  readonly userId: UserId;
  readonly routedTo: readonly UserId[];
  readonly routedPosition: number;
}

export interface PresenceStore {
  /** Every row, in batches of any size, in no particular order; at most one row per user. */
  loadAll(): AsyncIterable<readonly StoredPresence[]>;
  /** Inserts or replaces one row per user, last wins, in one transaction. The users' kept answers stay as they are. */
  write(rows: readonly PresenceRow[]): Promise<void>;
  /** Replaces the kept answers of users whose rows exist, in one transaction; others are ignored. */
  writeRouted(answers: readonly RoutedAnswer[]): Promise<void>;
  /** New positions of answers that name the same users again, in one transaction; users without a kept answer are ignored. */
  moveRouted(positions: ReadonlyMap<UserId, number>): Promise<void>;
  /** A position that no token ever given out has reached; 0 in a new store. */
  positionCeiling(): Promise<number>;
  /** Raises the ceiling; a lower value than the present one changes nothing. Call before positions up to it are used. */
  reservePositions(ceiling: number): Promise<void>;
  /** Every pending full-presence mark: user → position. */
  loadFullPresenceMarks(): Promise<ReadonlyMap<UserId, number>>;
  /** Sets or replaces the users' marks, in one transaction; the users need no row. */
  writeFullPresenceMarks(marks: ReadonlyMap<UserId, number>): Promise<void>;
  /** Forgets users altogether: row, kept answer and mark. Unknown users are ignored. */
  remove(users: readonly UserId[]): Promise<void>;
}
