/**
 * A small number for each of some users, by dense id: a hash table in one typed array, a word an entry. Nothing is ever removed.
 */

/** Bits of the small number. */
const BITS = 5;
const MASK = (1 << BITS) - 1;
const EMPTY = 0xffff_ffff;
const LEAST = 4;

export class PairTable {
  #slots = new Uint32Array(LEAST).fill(EMPTY);
  #shift = 32 - Math.log2(LEAST);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get bytes(): number {
    return this.#slots.byteLength;
  }

  /** -1 for a user who is not in it. */
  get(uid: number): number {
    const slots = this.#slots;
    const last = slots.length - 1;
    for (let at = this.#start(uid); ; at = (at + 1) & last) {
      const slot = slots[at] as number;
      if (slot === EMPTY) return -1;
      if (slot >>> BITS === uid) return slot & MASK;
    }
  }

  has(uid: number): boolean {
    return this.get(uid) >= 0;
  }

  set(uid: number, value: number): void {
    if ((this.#size + 1) * 4 > this.#slots.length * 3) this.#grow();
    const slots = this.#slots;
    const last = slots.length - 1;
    let at = this.#start(uid);
    while (slots[at] !== EMPTY && (slots[at] as number) >>> BITS !== uid) at = (at + 1) & last;
    if (slots[at] === EMPTY) this.#size++;
    slots[at] = ((uid << BITS) | value) >>> 0;
  }

  /** Room for `count` users without growing on the way. */
  reserve(count: number): void {
    while (count * 4 > this.#slots.length * 3) this.#grow();
  }

  each(visit: (uid: number, value: number) => void): void {
    for (const slot of this.#slots) if (slot !== EMPTY) visit(slot >>> BITS, slot & MASK);
  }

  #start(uid: number): number {
    // Neighbouring ids are spread by a multiplication with the golden ratio.
    return Math.imul(uid, 0x9e37_79b1) >>> this.#shift;
  }

  #grow(): void {
    const before = this.#slots;
    this.#slots = new Uint32Array(before.length * 2).fill(EMPTY);
    this.#shift--;
    const last = this.#slots.length - 1;
    for (const slot of before) {
      if (slot === EMPTY) continue;
      let at = this.#start(slot >>> BITS);
      while (this.#slots[at] !== EMPTY) at = (at + 1) & last;
      this.#slots[at] = slot;
    }
  }
}
