/**
 * Connected observers: local users who have a sync open or ended one less than the linger time ago.
 *
 * Each has a slot, a small dense number; everything per observer is kept by slot and given back when they are gone. Those without an
 * open sync stand in a queue by the time of their last one, so a tick looks only at those who leave.
 */
import { grownCapacity, resized } from './columns.ts';
import type { UserTable } from './user-table.ts';

const NONE = -1;

export class Observers {
  readonly #users: UserTable;
  readonly #lingerMs: number;
  /** slot → uid. */
  uid = new Uint32Array(0);
  #openSyncs = new Uint32Array(0);
  #leavesTs = new Float64Array(0);
  #next = new Int32Array(0);
  #previous = new Int32Array(0);
  #queueHead = NONE;
  #queueTail = NONE;
  readonly #freed: number[] = [];
  #bound = 0;

  constructor(users: UserTable, lingerMs: number) {
    this.#users = users;
    this.#lingerMs = lingerMs;
  }

  /** One more than the largest slot ever used. */
  get bound(): number {
    return this.#bound;
  }

  get size(): number {
    return this.#bound - this.#freed.length;
  }

  /** The user's slot, or -1. */
  slotOf(uid: number): number {
    return uid < 0 ? NONE : (this.#users.observer[uid] as number);
  }

  /** Whether a sync of theirs is open now. */
  isSyncing(slot: number): boolean {
    return (this.#openSyncs[slot] as number) > 0;
  }

  /** A sync begins. Returns the slot if the user was not connected, else -1. */
  beginSync(uid: number): number {
    const known = this.slotOf(uid);
    if (known >= 0) {
      if (this.#openSyncs[known] === 0) this.#unqueue(known);
      this.#openSyncs[known] = (this.#openSyncs[known] as number) + 1;
      return NONE;
    }
    const slot = this.#freed.pop() ?? this.#bound++;
    if (slot >= this.uid.length) this.#grow(slot + 1);
    this.uid[slot] = uid;
    this.#users.observer[uid] = slot;
    this.#openSyncs[slot] = 1;
    return slot;
  }

  endSync(uid: number, now: number): void {
    const slot = this.slotOf(uid);
    if (slot < 0 || this.#openSyncs[slot] === 0) return;
    this.#openSyncs[slot] = (this.#openSyncs[slot] as number) - 1;
    if (this.#openSyncs[slot] === 0) this.#enqueue(slot, now + this.#lingerMs);
  }

  /** The slot of somebody whose time is over at `now`, or -1. */
  nextToLeave(now: number): number {
    const slot = this.#queueHead;
    return slot >= 0 && (this.#leavesTs[slot] as number) <= now ? slot : NONE;
  }

  /** Gives the slot back. */
  release(slot: number): void {
    if (this.#openSyncs[slot] === 0) this.#unqueue(slot);
    this.#users.observer[this.uid[slot] as number] = NONE;
    this.#freed.push(slot);
  }

  #enqueue(slot: number, leavesTs: number): void {
    this.#leavesTs[slot] = leavesTs;
    this.#next[slot] = NONE;
    this.#previous[slot] = this.#queueTail;
    if (this.#queueTail >= 0) this.#next[this.#queueTail] = slot;
    else this.#queueHead = slot;
    this.#queueTail = slot;
  }

  #unqueue(slot: number): void {
    const next = this.#next[slot] as number;
    const previous = this.#previous[slot] as number;
    if (previous >= 0) this.#next[previous] = next;
    else this.#queueHead = next;
    if (next >= 0) this.#previous[next] = previous;
    else this.#queueTail = previous;
  }

  #grow(needed: number): void {
    const capacity = grownCapacity(this.uid.length, needed);
    this.uid = resized(this.uid, capacity);
    this.#openSyncs = resized(this.#openSyncs, capacity);
    this.#leavesTs = resized(this.#leavesTs, capacity);
    this.#next = resized(this.#next, capacity, NONE);
    this.#previous = resized(this.#previous, capacity, NONE);
  }
}
