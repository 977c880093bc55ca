/**
 * One deadline per user, on a hashed wheel: arming, moving and disarming cost the same however many users there are.
 *
 * Slots hold doubly linked lists threaded through columns. `advance(now)` takes out exactly those whose deadline is not
 * after `now`, whatever the time between two calls, so a deadline fires at the first tick at or after it.
 */
import { grownCapacity, resized } from './columns.ts';

const SLOTS = 1024;
const NONE = -1;
const DISARMED = Infinity;

export class TimerWheel {
  readonly #tickMs: number;
  readonly #heads = new Int32Array(SLOTS).fill(NONE);
  /** Index of the next in the slot's list. */
  #next = new Int32Array(0);
  /** Index of the previous; for the first of a list, -2 - slot. */
  #previous = new Int32Array(0);
  #deadline = new Float64Array(0);
  /** Tick of the last `advance`; nothing is put into an earlier slot. */
  #lastTick = -1;
  #size = 0;

  constructor(tickMs: number) {
    this.#tickMs = tickMs;
  }

  /** How many are armed. */
  get size(): number {
    return this.#size;
  }

  /** The armed deadline in ms, or Infinity. */
  deadline(id: number): number {
    return id < this.#deadline.length ? (this.#deadline[id] as number) : DISARMED;
  }

  /** Arms `id` for `deadline`, in place of whatever it was armed for; Infinity disarms. */
  arm(id: number, deadline: number): void {
    if (id >= this.#deadline.length) {
      if (deadline === DISARMED) return;
      this.#grow(id + 1);
    }
    const armed = this.#deadline[id] as number;
    if (armed === deadline) return;
    if (armed !== DISARMED) this.#unlink(id);
    this.#deadline[id] = deadline;
    if (deadline !== DISARMED) this.#link(id, deadline);
  }

  /** Takes out everything due at `now` and returns it in a fixed order. */
  advance(now: number): number[] {
    const due: number[] = [];
    const tick = Math.floor(now / this.#tickMs);
    if (tick < this.#lastTick) this.#relink(tick);
    const first = this.#lastTick < 0 ? tick - SLOTS + 1 : this.#lastTick;
    for (let at = Math.max(first, tick - SLOTS + 1); at <= tick; at++) {
      let id = this.#heads[slotOf(at)] as number;
      while (id !== NONE) {
        const next = this.#next[id] as number;
        if ((this.#deadline[id] as number) <= now) {
          this.#unlink(id);
          this.#deadline[id] = DISARMED;
          due.push(id);
        }
        id = next;
      }
    }
    this.#lastTick = tick;
    return due;
  }

  #link(id: number, deadline: number): void {
    const slot = slotOf(Math.max(Math.floor(deadline / this.#tickMs), this.#lastTick));
    const head = this.#heads[slot] as number;
    this.#next[id] = head;
    this.#previous[id] = -2 - slot;
    if (head !== NONE) this.#previous[head] = id;
    this.#heads[slot] = id;
    this.#size++;
  }

  #unlink(id: number): void {
    const next = this.#next[id] as number;
    const previous = this.#previous[id] as number;
    if (previous < 0) this.#heads[-2 - previous] = next;
    else this.#next[previous] = next;
    if (next !== NONE) this.#previous[next] = previous;
    this.#size--;
  }

  /** The clock was set back: what had to go into a later slot than its own belongs into an earlier one now. */
  #relink(tick: number): void {
    this.#lastTick = tick;
    this.#heads.fill(NONE);
    this.#size = 0;
    for (const [id, deadline] of this.#deadline.entries()) if (deadline !== DISARMED) this.#link(id, deadline);
  }

  #grow(needed: number): void {
    const capacity = grownCapacity(this.#deadline.length, needed);
    this.#next = resized(this.#next, capacity, NONE);
    this.#previous = resized(this.#previous, capacity, NONE);
    this.#deadline = resized(this.#deadline, capacity, DISARMED);
  }
}

function slotOf(tick: number): number {
  return ((tick % SLOTS) + SLOTS) % SLOTS;
}
