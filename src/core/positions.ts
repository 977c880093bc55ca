/**
 * Stream positions: given out in order, shown in order.
 *
 * Positions of a turn are given out when the turn is taken and shown when it is published, which is after its rows are durable.
 * Positions given out in between (routed deliveries, gains of interest, marks) are not shown before that turn either:
 * an observer who had moved past them would miss the turn.
 *
 * All are even, so that a cursor can say one thing more by an odd number (see collect.ts).
 */

interface OutstandingTurn {
  /** Last position given out before the turn. */
  readonly before: number;
  readonly last: number;
}

export class Positions {
  #allocated: number;
  #published: number;
  /** Highest fresh one at which something was delivered while a turn was waiting. */
  #delivered = 0;
  readonly #outstanding: OutstandingTurn[] = [];

  constructor(start: number) {
    this.#allocated = start + (start % 2);
    this.#published = this.#allocated;
  }

  /** Highest given out. */
  get allocated(): number {
    return this.#allocated;
  }

  /** Highest that observers may see: everything up to it has been delivered to inboxes. */
  get published(): number {
    return this.#published;
  }

  /** Whether a turn has been taken and not yet published. */
  get isWaiting(): boolean {
    return this.#outstanding.length > 0;
  }

  /** Whether something delivered at a fresh position waits for a turn. */
  get isHoldingUp(): boolean {
    return this.#delivered > this.#published;
  }

  /** A fresh position; call `settle` when what it stands for has been delivered. */
  next(): number {
    this.#allocated += 2;
    return this.#allocated;
  }

  /** What was given out after `before` belongs to a turn that is now being made durable. */
  openTurn(before: number): void {
    this.#outstanding.push({ before, last: this.#allocated });
  }

  /** Turns whose last position is not greater than `last` have been delivered. */
  closeTurns(last: number): void {
    while (this.#outstanding.length > 0 && (this.#outstanding[0]?.last ?? 0) <= last) this.#outstanding.shift();
    this.settle();
  }

  settle(): void {
    const [first] = this.#outstanding;
    if (this.#allocated > (this.#outstanding.at(-1)?.last ?? Infinity)) this.#delivered = this.#allocated;
    this.#published = first === undefined ? this.#allocated : first.before;
  }
}
