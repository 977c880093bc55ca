/**
 * Removes the rows of users who were released, a few at a time; what the store refuses is tried again with the next call.
 *
 * A user can come back at any time: their row is written in its turn, after whatever is removed before, and they are left alone here.
 */
import type { UserId } from '../matrix/identifiers.ts';
import { LogGate } from '../ports/log-gate.ts';
import type { PresenceStore } from '../ports/presence-store.ts';
import { type Background, inBackground } from './background.ts';
import type { PresenceMetrics } from './presence-metrics.ts';
import { MAX_ROWS_PER_WRITE } from './turn-committer.ts';

export interface RowRemoverOptions extends Background {
  readonly store: Pick<PresenceStore, 'remove'>;
  readonly metrics: PresenceMetrics;
  /** Whether the user is back. */
  readonly isKnown: (userId: UserId) => boolean;
}

export class RowRemover {
  readonly #options: RowRemoverOptions;
  readonly #log: LogGate;
  readonly #waiting = new Set<UserId>();
  #isOut = false;

  constructor(options: RowRemoverOptions) {
    this.#options = options;
    this.#log = new LogGate(options.clock, (fields, message) => options.logger.warn(fields, message));
  }

  add(userId: UserId): void {
    this.#waiting.add(userId);
  }

  run(): void {
    if (this.#isOut || this.#waiting.size === 0) return;
    this.#isOut = true;
    inBackground(this.#options, 'removing rows', this.#removeAll());
  }

  async #removeAll(): Promise<void> {
    const { isKnown, metrics, store } = this.#options;
    let chunk: UserId[] = [];
    try {
      while (this.#waiting.size > 0) {
        chunk = [];
        for (const userId of this.#waiting) {
          this.#waiting.delete(userId);
          if (!isKnown(userId) && chunk.push(userId) === MAX_ROWS_PER_WRITE) break;
        }
        if (chunk.length > 0) await metrics.timeStore('remove', () => store.remove(chunk));
      }
    } catch (err) {
      for (const userId of chunk) this.#waiting.add(userId);
      this.#log.tell(
        'store',
        () => ({ err, rows: this.#waiting.size }),
        'rows could not be removed; it will be tried again',
      );
    } finally {
      this.#isOut = false;
    }
  }
}
