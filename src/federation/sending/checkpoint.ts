/**
 * What the sender leaves behind for the next start, so that a kill loses no final state.
 *
 * Every update told before the saved time has reached its servers, or their rows say that it is owed. Order matters: rows that say so are
 * saved before the time moves on, and a row goes only when nothing of it is left. Failed writes are repeated with the next one.
 */
import type { DestinationStore } from '../../ports/federation-store.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Destination } from './destination.ts';

export class Checkpoint {
  readonly #store: DestinationStore;
  readonly #logger: Logger;
  /** Their rows differ from what is saved. */
  readonly #changed = new Set<Destination>();
  #deliveredUntilTs = 0;
  #isFailing = false;

  constructor(store: DestinationStore, logger: Logger) {
    this.#store = store;
    this.#logger = logger;
  }

  /** As saved. */
  get deliveredUntilTs(): number {
    return this.#deliveredUntilTs;
  }

  get hasChanges(): boolean {
    return this.#changed.size > 0;
  }

  /**
   * A saved time that is still to come is of a clock that was fast and has been put right. It is cut to `now` at once, because what is
   * told from now on is told before it.
   */
  async load(now: number): Promise<void> {
    const savedTs = await this.#store.deliveredUntilTs();
    this.#deliveredUntilTs = Math.min(savedTs, now);
    if (savedTs > now) await this.#store.setDeliveredUntilTs(now);
  }

  /** The row of `destination` has to be written or removed. */
  changed(destination: Destination): void {
    if (destination.owedSinceTs !== null || destination.isSaved) this.#changed.add(destination);
  }

  isChanged(destination: Destination): boolean {
    return this.#changed.has(destination);
  }

  /**
   * @param untilTs - as of now, with the rows as they are now; null leaves it
   * @returns those whose rows were removed
   */
  async save(untilTs: number | null): Promise<readonly Destination[]> {
    const changed = [...this.#changed];
    this.#changed.clear();
    const owed = changed.filter((destination) => destination.owedSinceTs !== null);
    const cleared = changed.filter((destination) => destination.owedSinceTs === null);
    try {
      if (owed.length > 0) {
        for (const destination of owed) destination.isSaved = true;
        await this.#store.save(owed.map((destination) => destination.toRow()));
      }
      if (untilTs !== null && untilTs !== this.#deliveredUntilTs) {
        await this.#store.setDeliveredUntilTs(untilTs);
        this.#deliveredUntilTs = untilTs;
      }
      if (cleared.length > 0) await this.#store.remove(cleared.map(({ name }) => name));
      // One that has come to owe something again is in the list again.
      for (const destination of cleared) destination.isSaved = false;
      this.#isFailing = false;
      return cleared;
    } catch (err) {
      for (const destination of changed) this.#changed.add(destination);
      if (!this.#isFailing)
        this.#logger.warn({ err }, 'the state of other servers could not be saved; it will be tried again');
      this.#isFailing = true;
      return [];
    }
  }
}
