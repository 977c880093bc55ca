/** One batch of updates on its way through the modules: what they are shown, and which users it names. */
import type { UserPresenceState } from '../core/user-presence-state.ts';
import type { UserId } from '../matrix/identifiers.ts';

export class UpdateBatch {
  /** Frozen, in the order given, at most one per user. */
  readonly states: readonly UserPresenceState[];
  readonly #first: UserId | undefined;
  readonly #indexes: ReadonlyMap<unknown, number> | undefined;

  constructor(states: readonly UserPresenceState[]) {
    this.states = Object.freeze(states.slice());
    this.#first = states[0]?.userId;
    // Most batches have one update, and comparing is cheaper than a Map.
    if (states.length > 1) this.#indexes = new Map(states.map(({ userId }, index) => [userId, index]));
  }

  /** Place of a user's update in `states`; -1 if there is none. */
  indexOf(userId: unknown): number {
    if (userId === this.#first) return 0;
    return this.#indexes?.get(userId) ?? -1;
  }
}
