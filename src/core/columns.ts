/**
 * Growable typed arrays ("columns"): one number per user, room, device or observer, without an object for each.
 *
 * Columns grow by an eighth: bytes per user matter more here than the copies, which are rare and fast.
 */

export type Column = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float64Array;

/** The capacity to grow to when `needed` does not fit into `current`. */
export function grownCapacity(current: number, needed: number): number {
  return Math.max(needed, Math.ceil(current * 1.125), 64);
}

/** A copy of `column` with `capacity` elements; new ones are `fill`. */
export function resized<T extends Column>(column: T, capacity: number, fill = 0): T {
  const Kind = column.constructor as new (length: number) => T;
  const next = new Kind(capacity);
  next.set(column);
  if (fill !== 0) next.fill(fill, column.length);
  return next;
}

const LAST_ROUND = 255;

/** Marks for "seen in this round" over dense ids, a byte each: only every 255th round looks at all of them to begin. */
export class Stamps {
  #stamps = new Uint8Array(0);
  #round = 0;

  /** Begins a round over ids below `size`: nothing is marked. */
  begin(size: number): void {
    if (size > this.#stamps.length) {
      this.#stamps = resized(this.#stamps, grownCapacity(this.#stamps.length, size));
    }
    this.#round++;
    if (this.#round > LAST_ROUND) {
      this.#stamps.fill(0);
      this.#round = 1;
    }
  }

  /** Marks `id`; false if it was marked already. */
  mark(id: number): boolean {
    if (this.#stamps[id] === this.#round) return false;
    this.#stamps[id] = this.#round;
    return true;
  }

  has(id: number): boolean {
    return this.#stamps[id] === this.#round;
  }
}
