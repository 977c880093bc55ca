/**
 * Remembers what one module last said about each connected observer, and compares the module's two callbacks with it.
 *
 *     answers     observer → users     what getInterestedUsers said
 *     observers   user → observers     the same, the other way round
 *
 * Bounded by the number of user ids: beyond it the observers asked longest ago are forgotten, which costs them only the comparison.
 */
import type { UserId } from '../matrix/identifiers.ts';
import { PRESENCE_ALL_USERS } from '../module/callbacks.ts';
import type { Interest } from './router-api.ts';

export interface Disagreement {
  readonly observer: UserId;
  readonly userId: UserId;
  /** The callback that named the pair; the other one did not. */
  readonly namedBy: 'getUsersForStates' | 'getInterestedUsers';
}

export class InterestMemory {
  readonly #maxIds: number;
  readonly #answers = new Map<UserId, Interest>();
  readonly #observers = new Map<UserId, Set<UserId>>();
  #ids = 0;

  /** @param maxIds - most ids remembered, of observers and of whom they are interested in */
  constructor(maxIds: number) {
    this.#maxIds = maxIds;
  }

  /** User ids remembered. */
  get size(): number {
    return this.#ids;
  }

  get(observer: UserId): Interest | undefined {
    return this.#answers.get(observer);
  }

  set(observer: UserId, interest: Interest): void {
    if (this.#answers.get(observer) === interest) return;
    this.forget(observer);
    if (costOf(interest) > this.#maxIds) return;
    this.#answers.set(observer, interest);
    this.#ids += costOf(interest);
    if (interest !== PRESENCE_ALL_USERS) {
      for (const userId of interest) {
        // Everybody sees themselves; naming that in one callback only is no disagreement.
        if (userId === observer) continue;
        const observers = this.#observers.get(userId);
        if (observers === undefined) this.#observers.set(userId, new Set([observer]));
        else observers.add(observer);
      }
    }
    for (const [oldest] of this.#answers) {
      if (this.#ids <= this.#maxIds) break;
      this.forget(oldest);
    }
  }

  forget(observer: UserId): void {
    const interest = this.#answers.get(observer);
    if (interest === undefined) return;
    this.#answers.delete(observer);
    this.#ids -= costOf(interest);
    if (interest === PRESENCE_ALL_USERS) return;
    for (const userId of interest) {
      const observers = this.#observers.get(userId);
      if (observers?.delete(observer) === true && observers.size === 0) this.#observers.delete(userId);
    }
  }

  clear(): void {
    this.#answers.clear();
    this.#observers.clear();
    this.#ids = 0;
  }

  /**
   * Counts the pairs that only one callback named, for one user's update and whom it was routed to. Observers never asked about,
   * and those interested in everybody, cannot disagree.
   *
   * @param targets - without duplicates
   * @param found - called with each such pair
   */
  disagreements(userId: UserId, targets: readonly UserId[], found: (pair: Disagreement) => void): number {
    const interested = this.#observers.get(userId);
    let agreed = 0;
    let count = 0;
    for (const observer of targets) {
      if (interested?.has(observer) === true) {
        agreed += 1;
        continue;
      }
      const interest = observer === userId ? undefined : this.#answers.get(observer);
      if (interest === undefined || interest === PRESENCE_ALL_USERS) continue;
      found({ observer, userId, namedBy: 'getUsersForStates' });
      count += 1;
    }
    if (interested === undefined || agreed === interested.size) return count;
    const named = new Set(targets);
    for (const observer of interested) {
      if (!named.has(observer)) found({ observer, userId, namedBy: 'getInterestedUsers' });
    }
    return count + interested.size - agreed;
  }
}

/** The observer itself counts, too, so that a million empty answers are not free. */
function costOf(interest: Interest): number {
  return 1 + (interest === PRESENCE_ALL_USERS ? 0 : interest.length);
}
