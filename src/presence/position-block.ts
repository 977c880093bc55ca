/**
 * Keeps the store's ceiling of positions ahead of those in use, a block at a time, so that no position that a client has seen
 * is given out again after a crash.
 *
 * A block is so large, and the next one is reserved so early, that positions given out between two turns never run into the end.
 */
import type { PresenceStore } from '../ports/presence-store.ts';

export class PositionBlock {
  readonly #store: Pick<PresenceStore, 'positionCeiling' | 'reservePositions'>;
  readonly #size: number;
  #ceiling = 0;

  constructor(store: Pick<PresenceStore, 'positionCeiling' | 'reservePositions'>, size = 1_000_000) {
    this.#store = store;
    this.#size = size;
  }

  /** Reserves the first block. Resolves with the position that it starts after. Rejects with PortError. */
  async start(): Promise<number> {
    const start = await this.#store.positionCeiling();
    await this.#reserve(start + this.#size);
    return start;
  }

  /** Whether `cover` has something to do. */
  isLow(position: number): boolean {
    return position > this.#ceiling - this.#size / 2;
  }

  /** Resolves when everything up to `position`, and half a block more, is reserved. Rejects with PortError. */
  async cover(position: number): Promise<void> {
    if (this.isLow(position)) await this.#reserve(position + this.#size);
  }

  async #reserve(ceiling: number): Promise<void> {
    await this.#store.reservePositions(ceiling);
    this.#ceiling = Math.max(this.#ceiling, ceiling);
  }
}
