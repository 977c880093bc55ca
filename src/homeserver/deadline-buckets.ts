/**
 * Many deadlines on few timers: deadlines that fall into the same slice of time share one timer.
 *
 * A long poll rarely lives to its deadline, so adding and removing must cost next to nothing: the entries of a slice are
 * a linked list through the entries themselves. (A Set would be simpler; but every time a busy Set grows a new table,
 * the old one keeps all that was in it alive until the next full collection, which cost a quarter of the CPU time.)
 * The price is that an entry expires up to one slice late, never early.
 */
import type { Clock, Timer } from '../ports/clock.ts';

interface Bucket {
  readonly slot: number;
  readonly timer: Timer;
  first: Deadline | null;
  last: Deadline | null;
}

/** Something that expires. It is in one bucket at most. */
export abstract class Deadline {
  bucket: Bucket | null = null;
  previous: Deadline | null = null;
  next: Deadline | null = null;

  abstract expire(): void;
}

export class DeadlineBuckets {
  readonly #clock: Clock;
  readonly #sliceMs: number;
  readonly #buckets = new Map<number, Bucket>();

  constructor(clock: Clock, sliceMs: number) {
    this.#clock = clock;
    this.#sliceMs = sliceMs;
  }

  /** `entry.expire()` will be called at `deadlineTs` or up to one slice later, in the order of the calls of `add`. */
  add(entry: Deadline, deadlineTs: number): void {
    const slot = Math.ceil(deadlineTs / this.#sliceMs);
    const bucket = this.#buckets.get(slot) ?? this.#open(slot);
    entry.bucket = bucket;
    entry.previous = bucket.last;
    if (bucket.last === null) bucket.first = entry;
    else bucket.last.next = entry;
    bucket.last = entry;
  }

  /** Harmless when `entry` is in no bucket. The last one out stops the timer. */
  remove(entry: Deadline): void {
    const { bucket, previous, next } = entry;
    if (bucket === null) return;
    if (previous === null) bucket.first = next;
    else previous.next = next;
    if (next === null) bucket.last = previous;
    else next.previous = previous;
    // Dead entries must not hold on to living ones, or the collector's work adds up.
    entry.bucket = null;
    entry.previous = null;
    entry.next = null;
    if (bucket.first !== null) return;
    this.#buckets.delete(bucket.slot);
    bucket.timer.cancel();
  }

  /** Timers in use. */
  get size(): number {
    return this.#buckets.size;
  }

  #open(slot: number): Bucket {
    const delayMs = Math.max(0, slot * this.#sliceMs - this.#clock.now());
    const timer = this.#clock.setTimeout(() => {
      this.#expire(slot);
    }, delayMs);
    const bucket = { slot, timer, first: null, last: null };
    this.#buckets.set(slot, bucket);
    return bucket;
  }

  #first(slot: number): Deadline | null {
    return this.#buckets.get(slot)?.first ?? null;
  }

  #expire(slot: number): void {
    for (let entry = this.#first(slot); entry !== null; entry = this.#first(slot)) {
      this.remove(entry);
      entry.expire();
    }
  }
}
