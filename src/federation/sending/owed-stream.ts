/**
 * Reads what a destination is owed, as fast as it takes it: the next batch is asked for when the queue has room.
 *
 * A batch is as old as its reading, so whoever is told of in the meantime is left out of it: that state is newer, and has its own way.
 * (A change after the reading is always told.) Source: OwedPresence in src/ports/federation-transport.ts.
 */
import type { UserPresenceState } from '../../core/user-presence-state.ts';
import type { UserId } from '../../matrix/identifiers.ts';
import type { Clock } from '../../ports/clock.ts';
import { withDeadline } from '../../ports/with-deadline.ts';
import type { DestinationQueue } from './destination-queue.ts';

/** Between two batches the list may be cleared: the next one is read later than anything in it was told. */
const MAX_TOLD = 10_000;

export class OwedStream {
  readonly #open: () => AsyncIterable<readonly UserPresenceState[]>;
  #iterator: AsyncIterator<readonly UserPresenceState[]> | null = null;
  #batch: readonly UserPresenceState[] = [];
  #next = 0;
  readonly #told = new Set<UserId>();
  #isDone = false;

  /** @param open - called when the first batch is wanted */
  constructor(open: () => AsyncIterable<readonly UserPresenceState[]>) {
    this.#open = open;
  }

  /** Whether everything has gone into the queue. */
  get isDone(): boolean {
    return this.#isDone;
  }

  /** These were told while the stream was open. */
  note(states: readonly UserPresenceState[]): void {
    for (const state of states) this.#told.add(state.userId);
  }

  /** Fills `queue` up to `target` states. @throws what the reading throws, and an Error when it stalls */
  async fill(queue: DestinationQueue, target: number, clock: Clock, timeoutMs: number): Promise<void> {
    for (;;) {
      while (this.#next < this.#batch.length) {
        if (queue.updates >= target) return;
        const state = this.#batch[this.#next++] as UserPresenceState;
        if (!this.#told.has(state.userId)) queue.addOwed(state, clock.now());
      }
      if (this.#isDone || queue.updates >= target) return;
      if (this.#told.size > MAX_TOLD) this.#told.clear();
      this.#iterator ??= this.#open()[Symbol.asyncIterator]();
      const late = (): Error => new Error(`no owed states within ${timeoutMs} ms`);
      const result = await withDeadline(clock, timeoutMs, this.#iterator.next(), late);
      if (this.#isDone) return; // closed meanwhile
      if (result.done === true) {
        this.#isDone = true;
        return;
      }
      this.#batch = result.value;
      this.#next = 0;
    }
  }

  /** Lets go of it, finished or not. */
  close(): void {
    this.#batch = [];
    this.#next = 0;
    this.#told.clear();
    if (this.#isDone) return;
    this.#isDone = true;
    // What it says on being closed early concerns nobody.
    this.#iterator?.return?.().then(undefined, () => undefined);
  }
}
