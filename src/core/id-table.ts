/**
 * Interning: strings to dense integers and back. Released numbers are given out again, so columns stay dense.
 */

export class IdTable<T extends string> {
  readonly #numbers = new Map<T, number>();
  readonly #names: (T | undefined)[] = [];
  readonly #released: number[] = [];

  /** One more than the largest number in use; columns need this many elements. */
  get bound(): number {
    return this.#names.length;
  }

  /** How many names are interned. */
  get size(): number {
    return this.#numbers.size;
  }

  /** The number of `name`, or -1. */
  find(name: T): number {
    return this.#numbers.get(name) ?? -1;
  }

  /** The number of `name`, which is given one if it has none. */
  intern(name: T): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    const number = this.#released.pop() ?? this.#names.length;
    this.#names[number] = name;
    this.#numbers.set(name, number);
    return number;
  }

  /** Whether the number is in use. */
  has(number: number): boolean {
    return this.#names[number] !== undefined;
  }

  /** The name of a number in use. */
  name(number: number): T {
    return this.#names[number] as T;
  }

  /** Forgets the name; its number may be given to another from now on, so nothing may refer to it any more. */
  release(number: number): void {
    if (this.#names[number] === undefined) return;
    this.retire(number);
    this.reuse(number);
  }

  /** Forgets the name, but keeps the number from being given out: something may still refer to it. */
  retire(number: number): void {
    const name = this.#names[number];
    if (name === undefined) return;
    this.#numbers.delete(name);
    this.#names[number] = undefined;
  }

  /** A retired number may be given out: nothing refers to it any more. */
  reuse(number: number): void {
    this.#released.push(number);
  }
}
