/**
 * One inbox per connected observer: (position, user) of everything they were told and may not have collected yet.
 *
 * Complete above `floor`: a client whose token is older is answered by looking at everybody visible instead. An entry takes
 * two words, the position as a difference to the observer's `base`. Superseded entries and those that every
 * recently seen token has passed are dropped once in a while, and before a full inbox grows; one of the largest size
 * loses its older half. Entries whose users cannot be found again by their record's position (gains of interest, routed
 * deliveries) raise `snapshotAt` when they are dropped.
 */
import { grownCapacity, resized, Stamps } from './columns.ts';
import { IntLists } from './int-lists.ts';
import type { UserTable } from './user-table.ts';

const WORDS = 2;
const MAX_DIFFERENCE = 0xffff_ffff;
const FIRST_CAPACITY = 4;

export class Inboxes {
  readonly #users: UserTable;
  readonly #maxEntries: number;
  readonly #lists = new IntLists({ ratio: 2, smallest: FIRST_CAPACITY * WORDS });
  readonly #seen = new Stamps();
  /** Positions of the entries are stored relative to this. */
  #base = new Float64Array(0);
  /** Position at which the observer connected. */
  openedAt = new Float64Array(0);
  floor = new Float64Array(0);
  /** Tokens below this position get a snapshot of everybody visible who is not offline. */
  snapshotAt = new Float64Array(0);
  /** Oldest token seen in this period and in the one before. */
  #oldest = new Float64Array(0);
  #oldestBefore = new Float64Array(0);
  #periodOf = new Uint32Array(0);
  #period = 1;
  #overflows = 0;
  #entries = 0;

  constructor(users: UserTable, maxEntries: number) {
    this.#users = users;
    this.#maxEntries = Math.max(1, maxEntries);
  }

  /** Pending entries of all observers. */
  get entries(): number {
    return this.#entries;
  }

  get bytes(): number {
    return this.#lists.bytes + this.floor.byteLength * 7;
  }

  /** Pending entries of one. */
  pendingOf(slot: number): number {
    return this.#lists.size(slot) / WORDS;
  }

  /** Inboxes that lost entries to the limit since the last call. */
  takeOverflows(): number {
    const overflows = this.#overflows;
    this.#overflows = 0;
    return overflows;
  }

  /** An observer connects: everything told after `position` will be in the inbox. */
  open(slot: number, position: number): void {
    if (slot >= this.floor.length) this.#grow(slot + 1);
    this.#base[slot] = position;
    this.openedAt[slot] = position;
    this.floor[slot] = position;
    this.snapshotAt[slot] = 0;
    this.#oldest[slot] = Infinity;
    this.#oldestBefore[slot] = Infinity;
    this.#periodOf[slot] = this.#period;
  }

  close(slot: number): void {
    this.#entries -= this.#lists.size(slot) / WORDS;
    this.#lists.clear(slot);
  }

  /** Tokens not seen for two periods no longer keep entries alive. */
  beginPeriod(): void {
    this.#period++;
    this.#lists.compact();
  }

  /** `position` is larger than that of every entry before. */
  push(slot: number, position: number, uid: number): void {
    // Told by a turn that was being written when the observer connected: whoever needs it has a token below the floor.
    if (position <= (this.floor[slot] as number)) return;
    const lists = this.#lists;
    let count = lists.size(slot);
    if (count + WORDS > lists.capacity(slot)) {
      this.#makeRoom(slot);
      count = lists.size(slot);
    }
    let difference = position - (this.#base[slot] as number);
    if (difference > MAX_DIFFERENCE) {
      this.#rebase(slot, position);
      count = lists.size(slot);
      difference = 1;
    }
    const at = (lists.start[slot] as number) + count;
    lists.buffer[at] = difference;
    lists.buffer[at + 1] = uid;
    lists.count[slot] = count + WORDS;
    this.#entries++;
  }

  /** The observer presents a token: `position`. Tells whether the inbox has everything after it. */
  noteToken(slot: number, position: number): boolean {
    if (this.#periodOf[slot] !== this.#period) {
      this.#oldestBefore[slot] = this.#periodOf[slot] === this.#period - 1 ? (this.#oldest[slot] as number) : Infinity;
      this.#oldest[slot] = Infinity;
      this.#periodOf[slot] = this.#period;
      this.#dropUnneeded(slot, Math.min(position, this.#oldestBefore[slot]));
    }
    if (position < (this.#oldest[slot] as number)) this.#oldest[slot] = position;
    return position >= (this.floor[slot] as number);
  }

  /** Calls `visit` for each user with an entry after `since` and up to `until`, newest first, each once. */
  visit(slot: number, since: number, until: number, visit: (uid: number, position: number) => void): void {
    const { buffer } = this.#lists;
    const start = this.#lists.start[slot] as number;
    const base = this.#base[slot] as number;
    this.#seen.begin(this.#users.bound);
    for (let at = start + this.#lists.size(slot) - WORDS; at >= start; at -= WORDS) {
      const position = base + (buffer[at] as number);
      if (position <= since) return;
      if (position <= until && this.#seen.mark(buffer[at + 1] as number)) visit(buffer[at + 1] as number, position);
    }
  }

  /** Drops entries about users who are to be forgotten: their numbers will be given to others. */
  dropAbout(slot: number, isForgotten: (uid: number) => boolean): void {
    const lists = this.#lists;
    if (lists.size(slot) === 0) return;
    const { buffer } = lists;
    const start = lists.start[slot] as number;
    const end = start + lists.size(slot);
    let to = end;
    for (let at = end - WORDS; at >= start; at -= WORDS) {
      if (isForgotten(buffer[at + 1] as number)) continue;
      to -= WORDS;
      buffer[to + 1] = buffer[at + 1] as number;
      buffer[to] = buffer[at] as number;
    }
    this.#removeFirst(slot, to - start);
  }

  /** Makes space for one more entry: first by dropping what nobody needs, then by growing, at the limit by losing the older half. */
  #makeRoom(slot: number): void {
    const lists = this.#lists;
    const capacity = Math.floor(lists.capacity(slot) / WORDS);
    if (capacity === 0) {
      lists.reserve(slot, FIRST_CAPACITY * WORDS);
      return;
    }
    this.#dropUnneeded(slot, Math.min(this.#oldest[slot] as number, this.#oldestBefore[slot] as number));
    const left = lists.size(slot) / WORDS;
    if (left >= this.#maxEntries) {
      this.#dropOldest(slot, left - Math.floor(this.#maxEntries / 2));
      this.#overflows++;
    } else if (left * 2 > capacity) {
      lists.reserve(slot, Math.max(capacity * 2, FIRST_CAPACITY) * WORDS);
    }
    // A list that was emptied has given its block back.
    lists.reserve(slot, Math.max(lists.size(slot) + WORDS, FIRST_CAPACITY * WORDS));
  }

  /** Keeps, of every user, the newest entry, if it is newer than `passed` (when that is a position). */
  #dropUnneeded(slot: number, passed: number): void {
    const lists = this.#lists;
    const { buffer } = lists;
    const start = lists.start[slot] as number;
    const end = start + lists.size(slot);
    const base = this.#base[slot] as number;
    let to = end;
    this.#seen.begin(this.#users.bound);
    for (let at = end - WORDS; at >= start; at -= WORDS) {
      const uid = buffer[at + 1] as number;
      const position = base + (buffer[at] as number);
      if (position <= passed && passed !== Infinity) {
        this.#lose(slot, position, uid);
        continue;
      }
      if (!this.#seen.mark(uid)) continue;
      to -= WORDS;
      buffer[to + 1] = uid;
      buffer[to] = buffer[at] as number;
    }
    if (passed !== Infinity && passed > (this.floor[slot] as number)) this.floor[slot] = passed;
    this.#removeFirst(slot, to - start);
  }

  #dropOldest(slot: number, count: number): void {
    const lists = this.#lists;
    for (let index = 0; index < count; index++) {
      const position = (this.#base[slot] as number) + lists.at(slot, index * WORDS);
      this.#lose(slot, position, lists.at(slot, index * WORDS + 1));
      if (position > (this.floor[slot] as number)) this.floor[slot] = position;
    }
    this.#removeFirst(slot, count * WORDS);
  }

  #removeFirst(slot: number, words: number): void {
    if (words === 0) return;
    this.#lists.removeFirst(slot, words);
    this.#entries -= words / WORDS;
  }

  #lose(slot: number, position: number, uid: number): void {
    if (position <= (this.#users.position[uid] as number)) return;
    if (position > (this.snapshotAt[slot] as number)) this.snapshotAt[slot] = position;
  }

  /** After four billion positions: start again from an empty inbox. */
  #rebase(slot: number, position: number): void {
    this.#dropOldest(slot, this.#lists.size(slot) / WORDS);
    this.#base[slot] = position - 1;
    if (position - 1 > (this.floor[slot] as number)) this.floor[slot] = position - 1;
    this.#lists.reserve(slot, FIRST_CAPACITY * WORDS);
  }

  #grow(needed: number): void {
    const capacity = grownCapacity(this.floor.length, needed);
    this.#base = resized(this.#base, capacity);
    this.openedAt = resized(this.openedAt, capacity);
    this.floor = resized(this.floor, capacity);
    this.snapshotAt = resized(this.snapshotAt, capacity);
    this.#oldest = resized(this.#oldest, capacity);
    this.#oldestBefore = resized(this.#oldestBefore, capacity);
    this.#periodOf = resized(this.#periodOf, capacity);
  }
}
