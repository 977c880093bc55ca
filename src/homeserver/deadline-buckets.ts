/**
 * Many deadlines on few timers: entries whose deadlines fall into the same slice of time share one timer.
 *
 * A long poll rarely lives to its deadline, so adding and removing must cost next to nothing: here one set insertion
 * and one deletion. The price is that an entry expires up to one slice late, never early.
 */
import type { Clock, Timer } from '../ports/clock.ts';

interface Bucket<T> {
  readonly entries: Set<T>;
  readonly timer: Timer;
}

export class DeadlineBuckets<T> {
  readonly #clock: Clock;
  readonly #sliceMs: number;
  readonly #onExpired: (entry: T) => void;
  readonly #buckets = new Map<number, Bucket<T>>();

  /** `onExpired` is called once per entry, in the order in which the entries of a slice were added. */
  constructor(clock: Clock, sliceMs: number, onExpired: (entry: T) => void) {
    this.#clock = clock;
    this.#sliceMs = sliceMs;
    this.#onExpired = onExpired;
  }

  /** Adds `entry`, to expire at `deadlineTs` or up to one slice later. Returns the slot that `remove` wants. */
  add(entry: T, deadlineTs: number): number {
    const slot = Math.ceil(deadlineTs / this.#sliceMs);
    const bucket = this.#buckets.get(slot) ?? this.#open(slot);
    bucket.entries.add(entry);
    return slot;
  }

  /** Takes `entry` out of `slot`; harmless when it has expired. The last one out stops the timer. */
  remove(entry: T, slot: number): void {
    const bucket = this.#buckets.get(slot);
    if (bucket === undefined || !bucket.entries.delete(entry) || bucket.entries.size > 0) return;
    this.#buckets.delete(slot);
    bucket.timer.cancel();
  }

  /** Timers in use. */
  get size(): number {
    return this.#buckets.size;
  }

  #open(slot: number): Bucket<T> {
    const timer = this.#clock.setTimeout(
      () => this.#expire(slot),
      Math.max(0, slot * this.#sliceMs - this.#clock.now()),
    );
    const bucket = { entries: new Set<T>(), timer };
    this.#buckets.set(slot, bucket);
    return bucket;
  }

  #expire(slot: number): void {
    const bucket = this.#buckets.get(slot);
    if (bucket === undefined) return;
    this.#buckets.delete(slot);
    for (const entry of bucket.entries) this.#onExpired(entry);
  }
}
