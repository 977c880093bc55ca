/**
 * The one wheel of all destinations: who is due next. A binary heap, so an idle or dead destination costs one place in an array,
 * and the sender needs one timer for the earliest, however many there are.
 *
 * An entry carries its own place, so moving and removing are O(log n) without a look-up. Equal times come in no fixed order.
 */

export interface HeapEntry {
  /** When it is due; kept after it was taken out. */
  dueTs: number;
  /** Its place; -1 outside. Only the heap writes it. */
  heapIndex: number;
}

export class DeadlineHeap<T extends HeapEntry> {
  readonly #entries: T[] = [];

  get size(): number {
    return this.#entries.length;
  }

  /** The earliest time, or Infinity. */
  get nextTs(): number {
    return this.#entries[0]?.dueTs ?? Infinity;
  }

  /** Puts it in, or moves it. */
  set(entry: T, dueTs: number): void {
    entry.dueTs = dueTs;
    if (entry.heapIndex < 0) {
      entry.heapIndex = this.#entries.length;
      this.#entries.push(entry);
      this.#up(entry);
    } else {
      this.#up(entry);
      this.#down(entry);
    }
  }

  /** Harmless when it is not in. */
  remove(entry: T): void {
    const at = entry.heapIndex;
    if (at < 0) return;
    entry.heapIndex = -1;
    const last = this.#entries.pop() as T;
    if (last === entry) return;
    this.#place(last, at);
    this.#up(last);
    this.#down(last);
  }

  /** Takes out one that is due at `now`; null if there is none. */
  take(now: number): T | null {
    const [first] = this.#entries;
    if (first === undefined || first.dueTs > now) return null;
    this.remove(first);
    return first;
  }

  #up(entry: T): void {
    let at = entry.heapIndex;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = this.#entries[above] as T;
      if (parent.dueTs <= entry.dueTs) break;
      this.#place(parent, at);
      at = above;
    }
    this.#place(entry, at);
  }

  #down(entry: T): void {
    const size = this.#entries.length;
    let at = entry.heapIndex;
    for (let below = 2 * at + 1; below < size; below = 2 * at + 1) {
      const right = this.#entries[below + 1];
      let child = this.#entries[below] as T;
      if (right !== undefined && right.dueTs < child.dueTs) {
        child = right;
        below += 1;
      }
      if (entry.dueTs <= child.dueTs) break;
      this.#place(child, at);
      at = below;
    }
    this.#place(entry, at);
  }

  #place(entry: T, at: number): void {
    this.#entries[at] = entry;
    entry.heapIndex = at;
  }
}
