/**
 * Saves activity that was not worth telling: once a minute and at the end, a few rows at a time.
 *
 * It moves no position, so nobody sees it as a change. A row that waits here is forgotten when a newer one of the user is written.
 */
import type { UserId } from '../matrix/identifiers.ts';
import type { Timer } from '../ports/clock.ts';
import type { PresenceRow, PresenceStore } from '../ports/presence-store.ts';
import { type Background, breathe, inBackground } from './background.ts';
import type { PresenceMetrics } from './presence-metrics.ts';
import { MAX_ROWS_PER_WRITE } from './turn-committer.ts';

const INTERVAL_MS = 60_000;

export interface ActivitySaverOptions extends Background {
  readonly store: Pick<PresenceStore, 'write'>;
  readonly metrics: PresenceMetrics;
  /** Closes the turn and takes what is not saved from the engine. */
  readonly drain: () => readonly PresenceRow[];
}

export class ActivitySaver {
  readonly #options: ActivitySaverOptions;
  readonly #rows = new Map<UserId, PresenceRow>();
  #timer: Timer | null = null;
  #saving: Promise<void> = Promise.resolve();

  constructor(options: ActivitySaverOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#rows.size;
  }

  start(): void {
    this.#timer = this.#options.clock.setTimeout(() => {
      this.#saving = this.#save();
      inBackground(
        this.#options,
        'saving activity',
        this.#saving.finally(() => {
          if (this.#timer !== null) this.start();
        }),
      );
    }, INTERVAL_MS);
  }

  /** A newer row of the user is about to be written. */
  forget(userId: UserId): void {
    this.#rows.delete(userId);
  }

  async stop(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = null;
    await this.#saving;
    await this.#save();
  }

  async #save(): Promise<void> {
    const { store, metrics, drain, logger } = this.#options;
    for (const row of drain()) this.#rows.set(row.state.userId, row);
    try {
      while (this.#rows.size > 0) {
        const chunk = [...this.#rows.values()].slice(0, MAX_ROWS_PER_WRITE);
        await metrics.timeStore('write_activity', () => store.write(chunk));
        for (const row of chunk) if (this.#rows.get(row.state.userId) === row) this.#rows.delete(row.state.userId);
        if (this.#rows.size > 0) await breathe(this.#options);
      }
    } catch (err) {
      logger.warn({ err, rows: this.#rows.size }, 'activity could not be saved; it will be tried again');
    }
  }
}
