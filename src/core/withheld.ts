/**
 * What is kept back because nobody has said yet in what form: (source, observer) pairs, and of whom nobody has been asked.
 *
 * Bounded: beyond the limit the source that has waited longest is forgotten, and found again with its next update.
 */
import type { ServerName } from '../matrix/identifiers.ts';

/** Local users by dense id, servers by name. */
export type ObserverKey = number | ServerName;

const NOBODY: ReadonlySet<ObserverKey> = new Set();

export class Withheld {
  readonly #maxPairs: number;
  readonly #keys = new Map<number, Set<ObserverKey>>();
  /** Of those, who may have seen the source before. */
  readonly #seen = new Map<number, Set<ObserverKey>>();
  /** Whom nobody has been asked about. */
  #fresh = new Map<number, Set<ObserverKey>>();
  #size = 0;

  constructor(maxPairs: number) {
    this.#maxPairs = maxPairs;
  }

  /** Pairs. */
  get size(): number {
    return this.#size;
  }

  /**
   * Something of the source does not reach the observer until somebody has said in what form. `hasSeen`: the observer may have seen the source
   * before anything was kept back.
   */
  add(source: number, key: ObserverKey, hasSeen = false): void {
    if (hasSeen) addTo(this.#seen, source, key);
    if (!addTo(this.#keys, source, key)) return;
    this.#size++;
    this.ask(source, key);
    while (this.#size > this.#maxPairs) {
      const [oldest] = this.#keys.keys();
      if (oldest === undefined) break;
      this.forget(oldest);
    }
  }

  /** Somebody is to be asked about the pair, whether or not anything is withheld. */
  ask(source: number, key: ObserverKey): void {
    addTo(this.#fresh, source, key);
  }

  has(source: number, key: ObserverKey): boolean {
    return this.#keys.get(source)?.has(key) ?? false;
  }

  /** Whether what is withheld would be news to somebody who has seen the source. */
  hasSeen(source: number, key: ObserverKey): boolean {
    return this.#seen.get(source)?.has(key) ?? false;
  }

  /** From whom the source is withheld. */
  keysOf(source: number): ReadonlySet<ObserverKey> {
    return this.#keys.get(source) ?? NOBODY;
  }

  sources(): number[] {
    return [...this.#keys.keys()];
  }

  /** Somebody is being asked about all of the source's observers. */
  noteAsked(source: number): void {
    this.#fresh.delete(source);
  }

  /** Pairs to be asked about, each once. */
  takeFresh(): ReadonlyMap<number, ReadonlySet<ObserverKey>> {
    const fresh = this.#fresh;
    if (fresh.size > 0) this.#fresh = new Map();
    return fresh;
  }

  /** The question about them has been answered for these; for the others it has still to be. */
  settle(source: number, keys: Iterable<ObserverKey>): void {
    const withheld = this.#keys.get(source);
    if (withheld === undefined) return;
    const fresh = this.#fresh.get(source);
    const seen = this.#seen.get(source);
    for (const key of keys) {
      if (withheld.delete(key)) this.#size--;
      fresh?.delete(key);
      seen?.delete(key);
    }
    if (withheld.size === 0) this.#keys.delete(source);
    if (fresh?.size === 0) this.#fresh.delete(source);
    if (seen?.size === 0) this.#seen.delete(source);
  }

  /** Nothing of the source is withheld any more. */
  forget(source: number): void {
    this.#size -= this.keysOf(source).size;
    this.#keys.delete(source);
    this.#fresh.delete(source);
    this.#seen.delete(source);
  }

  /** The numbers of these users will be others'. */
  forgetObservers(isForgotten: (uid: number) => boolean): void {
    for (const [source, keys] of this.#keys) {
      this.settle(
        source,
        [...keys].filter((key) => typeof key === 'number' && isForgotten(key)),
      );
    }
  }

  clear(): void {
    for (const map of [this.#keys, this.#fresh, this.#seen]) map.clear();
    this.#size = 0;
  }
}

/** False if it is there already. */
function addTo(map: Map<number, Set<ObserverKey>>, source: number, key: ObserverKey): boolean {
  const known = map.get(source);
  if (known === undefined) map.set(source, new Set([key]));
  else if (known.has(key)) return false;
  else known.add(key);
  return true;
}
