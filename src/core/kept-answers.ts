/**
 * Kept answers of `getUsersForStates`: which local users the routers named for a source's last routed update.
 *
 * Kept until the source's next update has been routed, so that those users see the source in every way meanwhile (product §4.2). The
 * way back, from a target to the sources that name it, is a list that may contain sources which no longer do;
 * readers check, and a list is cleaned when it has doubled.
 */
import { IntLists } from './int-lists.ts';
import { resized, Stamps } from './columns.ts';
import type { UserTable } from './user-table.ts';

const FIRST_CLEANING = 16;

export class KeptAnswers {
  readonly #users: UserTable;
  /** source uid → list. */
  readonly #listOf = new Map<number, number>();
  /** list → target uids, ascending. */
  readonly #targets = new IntLists();
  /** list → position at which the answer was delivered. */
  #position = new Float64Array(64);
  /** list → whether the answer was about an update to offline. */
  #offline = new Uint8Array(64);
  readonly #freedLists: number[] = [];
  #lists = 0;
  /** target uid → list in `#sources`, and the length at which that list is cleaned. */
  readonly #backwards = new Map<number, { readonly list: number; cleanAt: number }>();
  readonly #sources = new IntLists();
  readonly #freedSourceLists: number[] = [];
  #sourceLists = 0;
  readonly #seen = new Stamps();

  constructor(users: UserTable) {
    this.#users = users;
  }

  get bytes(): number {
    return this.#targets.bytes + this.#sources.bytes + this.#position.byteLength;
  }

  /** How many sources have a kept answer. */
  get size(): number {
    return this.#listOf.size;
  }

  /** Whether the source's kept answer names `target`. */
  names(source: number, target: number): boolean {
    const list = this.#listOf.get(source);
    return list !== undefined && this.#targets.includesSorted(list, target);
  }

  /** Position at which the source's kept answer was delivered; 0 without one. */
  position(source: number): number {
    const list = this.#listOf.get(source);
    return list === undefined ? 0 : (this.#position[list] as number);
  }

  /** Whether those named know the source as offline. */
  wasOffline(source: number): boolean {
    const list = this.#listOf.get(source);
    return list !== undefined && this.#offline[list] === 1;
  }

  /** Sources with an answer. */
  sources(): number[] {
    return [...this.#listOf.keys()];
  }

  targets(source: number): number[] {
    const list = this.#listOf.get(source);
    return list === undefined ? [] : this.#targets.values(list);
  }

  /** Sources whose kept answers name `target`, each once. */
  sourcesFor(target: number): number[] {
    const back = this.#backwards.get(target);
    return back === undefined ? [] : this.#namingSources(target, back.list);
  }

  /** Forgets a user as source and, if no answer names them any more, as target. False, and nothing happens, if one does. */
  forget(uid: number): boolean {
    const back = this.#backwards.get(uid);
    if (back !== undefined) {
      if (this.#namingSources(uid, back.list).length > 0) return false;
      this.#sources.clear(back.list);
      this.#backwards.delete(uid);
      this.#freedSourceLists.push(back.list);
    }
    this.replace(uid, [], 0);
    return true;
  }

  /**
   * Replaces the source's answer; `targets` ascending, without duplicates; none: the answer is dropped. Tells whether the answer names
   * others than before: mostly it does not, and then only the position moves.
   *
   * @param isOffline - what they are told of the source
   * @param lost - is given those whom it does not name any more
   */
  replace(
    source: number,
    targets: readonly number[],
    position: number,
    isOffline = false,
    lost: number[] | null = null,
  ): boolean {
    const known = this.#listOf.get(source);
    if (targets.length === 0) {
      if (known === undefined) return false;
      if (lost !== null) for (const target of this.#targets.values(known)) lost.push(target);
      this.#targets.clear(known);
      this.#listOf.delete(source);
      this.#freedLists.push(known);
      return true;
    }
    if (known !== undefined && this.#targets.equals(known, targets)) {
      this.#position[known] = position;
      this.#offline[known] = isOffline ? 1 : 0;
      return false;
    }
    if (known !== undefined && lost !== null) this.#collectLost(known, targets, lost);
    const list = known ?? this.#freedLists.pop() ?? this.#lists++;
    const gained = known === undefined ? targets : targets.filter((uid) => !this.#targets.includesSorted(list, uid));
    this.#listOf.set(source, list);
    this.#targets.replace(list, targets);
    if (list >= this.#position.length) {
      this.#position = resized(this.#position, list * 2);
      this.#offline = resized(this.#offline, list * 2);
    }
    this.#position[list] = position;
    this.#offline[list] = isOffline ? 1 : 0;
    for (const target of gained) this.#addSource(target, source);
    return true;
  }

  /** Both are ascending. */
  #collectLost(list: number, targets: readonly number[], lost: number[]): void {
    let at = 0;
    for (const target of this.#targets.values(list)) {
      while (at < targets.length && (targets[at] as number) < target) at++;
      if (targets[at] !== target) lost.push(target);
    }
  }

  #addSource(target: number, source: number): void {
    let back = this.#backwards.get(target);
    if (back === undefined) {
      back = { list: this.#freedSourceLists.pop() ?? this.#sourceLists++, cleanAt: FIRST_CLEANING };
      this.#backwards.set(target, back);
    }
    this.#sources.push(back.list, source);
    if (this.#sources.size(back.list) < back.cleanAt) return;
    const naming = this.#namingSources(target, back.list);
    this.#sources.replace(back.list, naming);
    // The source that has just been added is among them, so the list is not empty.
    back.cleanAt = Math.max(FIRST_CLEANING, naming.length * 2);
  }

  #namingSources(target: number, list: number): number[] {
    this.#seen.begin(this.#users.bound);
    return this.#sources.values(list).filter((source) => this.names(source, target) && this.#seen.mark(source));
  }
}
