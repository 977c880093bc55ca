/**
 * The newest position of a stream that concerns each user, for a bounded number of users.
 *
 * About users it has forgotten, or never heard of, it answers with the floor: never too low, so nobody misses anything.
 */
import type { UserId } from '../matrix/identifiers.ts';

export class LastPositions {
  readonly #maxUsers: number;
  /** In the order of the positions, oldest first, as far as they were told in order. */
  readonly #positions = new Map<UserId, number>();
  #floor: number;

  constructor(floor: number, maxUsers: number) {
    this.#floor = floor;
    this.#maxUsers = maxUsers;
  }

  /** No position above this one concerns the user: exact, or an upper bound for users long quiet. */
  get(userId: UserId): number {
    return this.#positions.get(userId) ?? this.#floor;
  }

  raise(userId: UserId, position: number): void {
    const known = this.#positions.get(userId);
    if (known !== undefined && known >= position) return;
    // What was forgotten about an unknown user may be as new as the floor.
    const newest = known === undefined ? Math.max(position, this.#floor) : position;
    // Deleting first moves the user to the end, which keeps the map in order of age.
    this.#positions.delete(userId);
    this.#positions.set(userId, newest);
    if (this.#positions.size > this.#maxUsers) this.#forgetOldest();
  }

  /** Users with an exact position. */
  get size(): number {
    return this.#positions.size;
  }

  #forgetOldest(): void {
    for (const [oldest, position] of this.#positions) {
      this.#positions.delete(oldest);
      if (position > this.#floor) this.#floor = position;
      return;
    }
  }
}
