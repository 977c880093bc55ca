/**
 * Very many small lists of unsigned integers in one buffer: who is in which room, who watches whom, inboxes.
 *
 * Lists are named by dense integers (a user, a room, an observer). Each has a block of one of a fixed set of sizes; a
 * list that outgrows its block moves to the next size and its old block is reused. When the buffer itself is full
 * every list is copied, tightly, into a larger one, so what growth left behind never adds up. `buffer` and `start` are
 * public because the hot loops read them directly: any call that adds may replace the buffer, so it is never kept.
 */
import { grownCapacity, resized } from './columns.ts';

const EMPTY = 0;
/** Buffers of fewer elements are not worth compacting. */
const SPARSE_FROM = 65_536;
/** Room for what comes, when everything is copied anyway. */
const SLACK = 1.0625;

export interface IntListsOptions {
  /** Ratio between block sizes: small saves memory, large saves copying. @default 1.125 */
  readonly ratio?: number;
  /** Smallest block, in elements. @default 2 */
  readonly smallest?: number;
}

export class IntLists {
  buffer = new Uint32Array(256);
  /** Where each list begins in `buffer`. */
  start = new Uint32Array(0);
  /** Elements in each list. */
  count = new Uint32Array(0);
  /** Index into `#sizes`; 0 for no block. */
  #sizeClass = new Uint8Array(0);
  readonly #sizes: number[] = [0];
  /** First free block of each size, as its start + 1; free blocks are chained through their first element. */
  readonly #free: number[] = [0];
  #end = 0;
  #growth = SLACK;
  /** Elements in blocks that belong to a list. */
  #held = 0;

  constructor(options: IntListsOptions = {}) {
    const { ratio = 1.125, smallest = 2 } = options;
    for (let size = smallest; size < 2 ** 31; size = Math.max(size + 1, Math.floor(size * ratio))) {
      if (this.#sizes.length === 255) break;
      this.#sizes.push(size);
      this.#free.push(0);
    }
  }

  /** Bytes of all buffers. */
  get bytes(): number {
    return this.buffer.byteLength + this.start.byteLength + this.count.byteLength + this.#sizeClass.byteLength;
  }

  size(list: number): number {
    return list < this.count.length ? (this.count[list] as number) : 0;
  }

  /** Elements that fit before the list moves. */
  capacity(list: number): number {
    return list < this.count.length ? (this.#sizes[this.#sizeClass[list] as number] as number) : 0;
  }

  at(list: number, index: number): number {
    return this.buffer[(this.start[list] as number) + index] as number;
  }

  put(list: number, index: number, value: number): void {
    this.buffer[(this.start[list] as number) + index] = value;
  }

  push(list: number, value: number): void {
    const count = this.size(list);
    this.reserve(list, count + 1);
    this.buffer[(this.start[list] as number) + count] = value;
    this.count[list] = count + 1;
  }

  /** Inserts before `index`, keeping the order. */
  insert(list: number, index: number, value: number): void {
    const count = this.size(list);
    this.reserve(list, count + 1);
    const at = (this.start[list] as number) + index;
    this.buffer.copyWithin(at + 1, at, at + count - index);
    this.buffer[at] = value;
    this.count[list] = count + 1;
  }

  /** Removes at `index`, keeping the order. */
  removeOrdered(list: number, index: number): void {
    const count = this.size(list);
    const at = (this.start[list] as number) + index;
    this.buffer.copyWithin(at, at + 1, at + count - index);
    this.#shrink(list, count - 1);
  }

  /** Removes at `index` by moving the last element there. */
  removeSwapping(list: number, index: number): void {
    const count = this.size(list);
    const start = this.start[list] as number;
    this.buffer[start + index] = this.buffer[start + count - 1] as number;
    this.#shrink(list, count - 1);
  }

  /** Where `value` is, or -1; looks at every element. */
  indexOf(list: number, value: number): number {
    const start = this.start[list] as number;
    return this.size(list) === 0 ? -1 : this.buffer.subarray(start, start + this.size(list)).indexOf(value);
  }

  /** In an ascending list: the first index whose element is not less than `value`. */
  lowerBound(list: number, value: number): number {
    let low = 0;
    let high = this.size(list);
    if (high === 0) return 0;
    const start = this.start[list] as number;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.buffer[start + middle] as number) < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Whether an ascending list has `value`. */
  includesSorted(list: number, value: number): boolean {
    const index = this.lowerBound(list, value);
    return index < this.size(list) && this.at(list, index) === value;
  }

  /** Whether the list has exactly these elements, in this order. */
  equals(list: number, values: ArrayLike<number>): boolean {
    const count = this.size(list);
    if (count !== values.length) return false;
    const start = count === 0 ? 0 : (this.start[list] as number);
    for (let index = 0; index < count; index++) if (this.buffer[start + index] !== values[index]) return false;
    return true;
  }

  /** Replaces the whole list. */
  replace(list: number, values: ArrayLike<number>): void {
    this.reserve(list, values.length);
    this.buffer.set(values, this.start[list]);
    this.#shrink(list, values.length);
  }

  /** Drops the first `removed` elements. */
  removeFirst(list: number, removed: number): void {
    const count = this.size(list);
    const start = this.start[list] as number;
    this.buffer.copyWithin(start, start + removed, start + count);
    this.#shrink(list, count - removed);
  }

  clear(list: number): void {
    if (list < this.count.length) this.#shrink(list, 0);
  }

  values(list: number): number[] {
    const start = this.size(list) === 0 ? 0 : (this.start[list] as number);
    return Array.from(this.buffer.subarray(start, start + this.size(list)));
  }

  /** Makes sure that the list holds `wanted` elements without moving. */
  reserve(list: number, wanted: number): void {
    if (list >= this.count.length) this.#addLists(list + 1);
    const old = this.#sizeClass[list] as number;
    if (wanted <= (this.#sizes[old] as number)) return;
    const next = this.#classFor(wanted);
    const to = this.#allocate(next);
    const from = this.start[list] as number;
    this.buffer.copyWithin(to, from, from + (this.count[list] as number));
    // Allocation may have compacted and thereby moved this list; its class tells which block is given back.
    this.#release(from, old);
    this.start[list] = to;
    this.#sizeClass[list] = next;
  }

  /**
   * Empties all lists and gives the first of them a block each, for as many elements as `sizes` says: `push` fills them then without moving
   * anything. A list that takes fewer keeps a block that is too large.
   */
  allocate(sizes: ArrayLike<number>): void {
    const lists = sizes.length;
    this.start = new Uint32Array(lists);
    this.count = new Uint32Array(lists);
    this.#sizeClass = new Uint8Array(lists);
    this.#free.fill(0);
    this.#end = 0;
    for (let list = 0; list < lists; list++) {
      const sizeClass = this.#classFor(sizes[list] as number);
      this.#sizeClass[list] = sizeClass;
      this.start[list] = this.#end;
      this.#end += this.#sizes[sizeClass] as number;
    }
    this.#held = this.#end;
    this.buffer = new Uint32Array(Math.ceil(this.#end * SLACK) + 256);
  }

  /** While many lists are filled for the first time: the buffer grows in larger steps. `settle` ends it. */
  hurry(): void {
    this.#growth = 1.5;
  }

  /** Ends `hurry`: gives back what it took too much. */
  settle(): void {
    this.#growth = SLACK;
    if (this.buffer.length > this.#held * SLACK + 256) this.#enlarge(0);
  }

  /** Gives memory back if most of the buffer is free. Looks at every list when it does. */
  compact(): void {
    if (this.buffer.length > SPARSE_FROM && this.#held * 2 < this.buffer.length) this.#enlarge(0);
  }

  #classFor(size: number): number {
    let low = 0;
    let high = this.#sizes.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#sizes[middle] as number) < size) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #allocate(sizeClass: number): number {
    const size = this.#sizes[sizeClass] as number;
    this.#held += size;
    const free = this.#free[sizeClass] as number;
    if (free !== 0) {
      this.#free[sizeClass] = this.buffer[free - 1] as number;
      return free - 1;
    }
    if (this.#end + size > this.buffer.length) this.#enlarge(size);
    const at = this.#end;
    this.#end += size;
    return at;
  }

  #release(start: number, sizeClass: number): void {
    if (sizeClass === EMPTY) return;
    this.#held -= this.#sizes[sizeClass] as number;
    this.buffer[start] = this.#free[sizeClass] as number;
    this.#free[sizeClass] = start + 1;
  }

  /** Sets a smaller count; an empty list gives its block back, a much too large one moves to a smaller. */
  #shrink(list: number, count: number): void {
    this.count[list] = count;
    const sizeClass = this.#sizeClass[list] as number;
    const start = this.start[list] as number;
    if (count === 0) {
      this.#release(start, sizeClass);
      this.#sizeClass[list] = EMPTY;
    } else if (count * 4 < (this.#sizes[sizeClass] as number) && (this.#sizes[sizeClass] as number) > 64) {
      const next = this.#classFor(count * 2);
      const to = this.#allocate(next);
      const from = this.start[list] as number;
      this.buffer.copyWithin(to, from, from + count);
      this.#release(from, sizeClass);
      this.start[list] = to;
      this.#sizeClass[list] = next;
    }
  }

  /** Copies every block into a new buffer with room for `extra`, leaving out what is free. */
  #enlarge(extra: number): void {
    const next = new Uint32Array(Math.ceil(this.#held * this.#growth) + extra + 256);
    let end = 0;
    for (let list = 0; list < this.count.length; list++) {
      const sizeClass = this.#sizeClass[list] as number;
      if (sizeClass === EMPTY) continue;
      const from = this.start[list] as number;
      next.set(this.buffer.subarray(from, from + (this.count[list] as number)), end);
      this.start[list] = end;
      end += this.#sizes[sizeClass] as number;
    }
    this.#free.fill(0);
    this.buffer = next;
    this.#end = end;
  }

  #addLists(needed: number): void {
    const capacity = grownCapacity(this.count.length, needed);
    this.start = resized(this.start, capacity);
    this.count = resized(this.count, capacity);
    this.#sizeClass = resized(this.#sizeClass, capacity);
  }
}
