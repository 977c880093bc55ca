/**
 * One deadline per user, on a hashed wheel: arming, moving and disarming cost the same however many users there are.
 *
 * Only armed users have an entry; entries are columns, threaded into a doubly linked list per slot. `advance(now)` takes out exactly those
 * whose deadline is not after `now`, whatever the time between two calls, so a deadline fires at the first tick at or after it.
 */
import { grownCapacity, resized } from './columns.ts';

const SLOTS = 1024;
const NONE = -1;

export class TimerWheel {
  readonly #tickMs: number;
  readonly #heads = new Int32Array(SLOTS).fill(NONE);
  /** user → entry. */
  #entryOf = new Int32Array(0);
  #owner = new Uint32Array(0);
  #deadline = new Float64Array(0);
  /** Next in the slot's list; of a free entry, the next free one. */
  #next = new Int32Array(0);
  /** Previous in the slot's list; of the first, -2 - slot. */
  #previous = new Int32Array(0);
  #free = NONE;
  /** Entries ever used. */
  #bound = 0;
  #size = 0;
  /** Tick of the last `advance`; nothing is put into an earlier slot. */
  #lastTick = NONE;

  constructor(tickMs: number) {
    this.#tickMs = tickMs;
  }

  /** How many are armed. */
  get size(): number {
    return this.#size;
  }

  /** Arms `id` for `deadline` in ms, in place of whatever it was armed for; Infinity disarms. */
  arm(id: number, deadline: number): void {
    const known = id < this.#entryOf.length ? (this.#entryOf[id] as number) : NONE;
    if (known < 0) {
      if (deadline !== Infinity) this.#add(id, deadline);
    } else if (deadline === Infinity) this.#remove(known);
    else if (this.#deadline[known] !== deadline) {
      this.#unlink(known);
      this.#deadline[known] = deadline;
      this.#link(known);
    }
  }

  /** Takes out everything due at `now` and returns it in a fixed order. */
  advance(now: number): number[] {
    const due: number[] = [];
    const tick = Math.floor(now / this.#tickMs);
    if (tick < this.#lastTick) this.#relink(tick);
    const first = this.#lastTick < 0 ? tick - SLOTS + 1 : this.#lastTick;
    for (let at = Math.max(first, tick - SLOTS + 1); at <= tick; at++) {
      let entry = this.#heads[slotOf(at)] as number;
      while (entry !== NONE) {
        const next = this.#next[entry] as number;
        if ((this.#deadline[entry] as number) <= now) {
          due.push(this.#owner[entry] as number);
          this.#remove(entry);
        }
        entry = next;
      }
    }
    this.#lastTick = tick;
    return due;
  }

  #add(id: number, deadline: number): void {
    if (id >= this.#entryOf.length) {
      this.#entryOf = resized(this.#entryOf, grownCapacity(this.#entryOf.length, id + 1), NONE);
    }
    let entry = this.#free;
    if (entry !== NONE) this.#free = this.#next[entry] as number;
    else {
      entry = this.#bound++;
      if (entry >= this.#owner.length) this.#grow(entry + 1);
    }
    this.#entryOf[id] = entry;
    this.#owner[entry] = id;
    this.#deadline[entry] = deadline;
    this.#link(entry);
    this.#size++;
  }

  #remove(entry: number): void {
    this.#unlink(entry);
    this.#entryOf[this.#owner[entry] as number] = NONE;
    this.#next[entry] = this.#free;
    // Tells a free entry from one in a list.
    this.#deadline[entry] = Infinity;
    this.#free = entry;
    this.#size--;
  }

  #link(entry: number): void {
    const tick = Math.floor((this.#deadline[entry] as number) / this.#tickMs);
    const slot = slotOf(Math.max(tick, this.#lastTick));
    const head = this.#heads[slot] as number;
    this.#next[entry] = head;
    this.#previous[entry] = -2 - slot;
    if (head !== NONE) this.#previous[head] = entry;
    this.#heads[slot] = entry;
  }

  #unlink(entry: number): void {
    const next = this.#next[entry] as number;
    const previous = this.#previous[entry] as number;
    if (previous < 0) this.#heads[-2 - previous] = next;
    else this.#next[previous] = next;
    if (next !== NONE) this.#previous[next] = previous;
  }

  /** The clock was set back: what had to go into a later slot than its own belongs into an earlier one now. */
  #relink(tick: number): void {
    this.#lastTick = tick;
    this.#heads.fill(NONE);
    for (let entry = 0; entry < this.#bound; entry++) if (this.#deadline[entry] !== Infinity) this.#link(entry);
  }

  #grow(needed: number): void {
    const capacity = grownCapacity(this.#owner.length, needed);
    this.#owner = resized(this.#owner, capacity);
    this.#deadline = resized(this.#deadline, capacity);
    this.#next = resized(this.#next, capacity);
    this.#previous = resized(this.#previous, capacity);
  }
}

function slotOf(tick: number): number {
  return ((tick % SLOTS) + SLOTS) % SLOTS;
}
