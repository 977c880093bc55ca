/**
 * Spreads the work on what other servers send over turns of the event loop, so that everybody else is served in between.
 *
 * A hundred large bodies that have come in together would otherwise be checked and taken in one go, which is seconds in which no client gets an answer.
 * So many bytes are worked on in a turn, one body at least; the others wait, and the addresses they came from have their turns one after the other, so
 * that one with many waits longest itself. Bounded by those who call: a body that waits is counted in the memory of bodies.
 */

export interface BodyTurnsOptions {
  /** Calls back in the next turn of the event loop, after what has come in meanwhile: `setImmediate`. */
  readonly schedule: (callback: () => void) => unknown;
  /** @default 128 KiB, some ten milliseconds of work */
  readonly bytesPerTurn?: number;
  /** What a body counts at least, because its signature and its answer cost something as well. @default 4 KiB */
  readonly leastBytes?: number;
}

interface Waiting {
  readonly bytes: number;
  readonly begin: () => void;
}

export class BodyTurns {
  readonly #schedule: BodyTurnsOptions['schedule'];
  readonly #bytesPerTurn: number;
  readonly #leastBytes: number;
  /** By address; the one whose turn is next comes first. */
  readonly #waiting = new Map<string, Waiting[]>();
  /** In this turn. */
  #left: number;
  #isScheduled = false;

  constructor({ schedule, bytesPerTurn = 131_072, leastBytes = 4_096 }: BodyTurnsOptions) {
    this.#schedule = schedule;
    this.#bytesPerTurn = bytesPerTurn;
    this.#leastBytes = leastBytes;
    this.#left = bytesPerTurn;
  }

  /** Addresses with bodies that wait. */
  get size(): number {
    return this.#waiting.size;
  }

  /** When to work on a body of `address`: at once (`undefined`), or later. */
  take(address: string, bytes: number): Promise<void> | undefined {
    const cost = Math.max(bytes, this.#leastBytes);
    this.#arm();
    if (this.#waiting.size === 0 && this.#left > 0) {
      this.#left -= cost;
      return undefined;
    }
    return new Promise((resolve) => {
      const queue = this.#waiting.get(address);
      if (queue === undefined) this.#waiting.set(address, [{ bytes: cost, begin: resolve }]);
      else queue.push({ bytes: cost, begin: resolve });
    });
  }

  #arm(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#schedule(() => this.#turn());
  }

  #turn(): void {
    this.#isScheduled = false;
    this.#left = this.#bytesPerTurn;
    while (this.#left > 0) {
      const next = this.#next();
      if (next === null) return;
      this.#arm();
      this.#left -= next.bytes;
      next.begin();
    }
  }

  #next(): Waiting | null {
    for (const [address, queue] of this.#waiting) {
      const first = queue.shift();
      this.#waiting.delete(address);
      if (queue.length > 0) this.#waiting.set(address, queue);
      if (first !== undefined) return first;
    }
    return null;
  }
}
