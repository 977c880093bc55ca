/**
 * Who is to be told of whom as offline, once, because they do not see them any more: (observer, source) → the position of that.
 *
 * The inbox has an entry at the same position; this says what the entry means. Kept when the observer goes away, for whoever comes back
 * with an older token; bounded, the observers who lost somebody longest ago first.
 */
const MAX_FAREWELLS = 100_000;

export class Farewells {
  readonly #byObserver = new Map<number, Map<number, number>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(observer: number, source: number, position: number): void {
    const known = this.#byObserver.get(observer) ?? new Map<number, number>();
    this.#size += known.has(source) ? 0 : 1;
    known.set(source, position);
    // Moved to the end: the first is the one to go.
    this.#byObserver.delete(observer);
    this.#byObserver.set(observer, known);
    while (this.#size > MAX_FAREWELLS) this.#drop();
  }

  /** The same, but only for as long as some rule would let the observer see the source: marked by an odd number, as positions are even. */
  addIfSeen(observer: number, source: number, position: number): void {
    this.add(observer, source, position + 1);
  }

  /** Whether there is one that does not depend on rules. */
  isFinal(observer: number, source: number): boolean {
    const at = this.at(observer, source);
    return at > 0 && at % 2 === 0;
  }

  /** What was only for as long as some rule would let the observer see the source is due now that none does. */
  confirm(observer: number, source: number): void {
    const at = this.at(observer, source);
    if (at % 2 !== 0) this.add(observer, source, at - 1);
  }

  /** Whether there is any for the observer. */
  isFor(observer: number): boolean {
    return this.#byObserver.has(observer);
  }

  /** 0 for none. */
  at(observer: number, source: number): number {
    return this.#size === 0 ? 0 : (this.#byObserver.get(observer)?.get(source) ?? 0);
  }

  of(observer: number): Iterable<readonly [source: number, position: number]> {
    return this.#byObserver.get(observer) ?? [];
  }

  /** Forgets what is about these users, or for them. */
  forget(isForgotten: (uid: number) => boolean): void {
    for (const [observer, sources] of this.#byObserver) {
      if (isForgotten(observer)) {
        this.#byObserver.delete(observer);
        this.#size -= sources.size;
        continue;
      }
      for (const source of sources.keys()) if (isForgotten(source) && sources.delete(source)) this.#size--;
      if (sources.size === 0) this.#byObserver.delete(observer);
    }
  }

  /** Of the observer whose turn it is: all, or the older half if there are no others. */
  #drop(): void {
    const [first] = this.#byObserver;
    if (first === undefined) return;
    const [observer, sources] = first;
    let surplus = this.#byObserver.size === 1 ? Math.ceil(sources.size / 2) : sources.size;
    for (const source of sources.keys()) {
      if (surplus-- <= 0) break;
      sources.delete(source);
      this.#size--;
    }
    if (sources.size === 0) this.#byObserver.delete(observer);
  }
}
