/**
 * Group commit: closes the engine's turn once per round of the event loop, makes its updates durable in one write, and only then
 * lets them be published.
 *
 * While the store fails, updates wait here (the newest of each user), whoever asked for one is told, nothing of it is shown, and the
 * write is tried again with growing pauses. A store that is slow to fail is left alone during the pause, so that requests
 * do not queue up behind it.
 */
import type { PresenceUpdate, TurnChanges } from '../core/engine-api.ts';
import type { Timer } from '../ports/clock.ts';
import type { PresenceStore } from '../ports/presence-store.ts';
import { type Background, breathe, inBackground } from './background.ts';
import type { PositionBlock } from './position-block.ts';
import type { PresenceMetrics } from './presence-metrics.ts';

/** Rows of one transaction: a few milliseconds of an embedded database. */
export const MAX_ROWS_PER_WRITE = 500;
const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 10_000;
/** A failure that took longer blocks the process: no further attempt before the pause is over. */
const SLOW_FAILURE_MS = 100;

export interface TurnCommitterOptions extends Background {
  readonly takeChanges: () => TurnChanges;
  readonly store: Pick<PresenceStore, 'write'>;
  readonly positions: Pick<PositionBlock, 'cover'>;
  readonly metrics: PresenceMetrics;
  /** Called with updates that are about to be written: whatever older rows of the same users wait elsewhere are obsolete. */
  readonly onWrite: (updates: readonly PresenceUpdate[]) => void;
  /** The changes are durable, or need not be (keep-alives). */
  readonly onDurable: (changes: TurnChanges) => void;
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class TurnCommitter {
  readonly #options: TurnCommitterOptions;
  /** By user, in the order of their positions. */
  #pending = new Map<number, PresenceUpdate>();
  #pendingPosition = 0;
  /** Of the turn that is still open, and of turns that wait to be written. */
  #joining: Waiter[] = [];
  #waiting: Waiter[] = [];
  #isScheduled = false;
  #isStopped = false;
  #isWriting = false;
  #written: Promise<void> = Promise.resolve();
  #retry: Timer | null = null;
  #retryMs = FIRST_RETRY_MS;
  #failingSinceTs: number | null = null;
  #refusal: { readonly error: unknown } | null = null;

  /** One function for all turns: most requests are a turn of their own. */
  readonly #closeTurn = (): void => {
    this.close();
  };

  constructor(options: TurnCommitterOptions) {
    this.#options = options;
  }

  /** Updates that are not durable yet. */
  get pending(): number {
    return this.#pending.size;
  }

  /** Sees to it that the turn closes soon; after `stop`, does nothing. */
  request(): void {
    if (this.#isScheduled || this.#isStopped) return;
    this.#isScheduled = true;
    this.#options.schedule(this.#closeTurn);
  }

  /** Resolves when everything commanded so far is durable and published; rejects with the store's error. */
  commit(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#joining.push({ resolve, reject });
      this.request();
    });
  }

  /** Closes the turn now. */
  close(): void {
    this.#isScheduled = false;
    const { updates, pings, position } = this.#options.takeChanges();
    for (const update of updates) {
      // Deleting first keeps the map in the order of positions.
      this.#pending.delete(update.uid);
      this.#pending.set(update.uid, update);
    }
    this.#pendingPosition = position;
    this.#waiting.push(...this.#joining.splice(0));
    if (pings.length > 0) this.#publish({ updates: [], pings, position: 0 });
    if (this.#isWriting) return;
    if (this.#pending.size === 0) this.#release();
    else if (this.#refusal !== null) this.#refuse(this.#refusal.error);
    else if (updates.length > 0 || this.#waiting.length > 0 || this.#retry === null) this.#write();
  }

  /** Closes the turn and tries once more to write everything. Resolves when that is done, one way or the other. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#refusal = null;
    this.#cancelRetry();
    this.close();
    await this.#written;
    this.#cancelRetry();
    if (this.#pending.size === 0) return;
    this.#options.logger.error({ updates: this.#pending.size }, 'presence updates could not be saved before the end');
  }

  #write(): void {
    this.#cancelRetry();
    this.#isWriting = true;
    this.#written = this.#writeAll();
    inBackground(this.#options, 'turn', this.#written);
  }

  async #writeAll(): Promise<void> {
    while (this.#pending.size > 0) {
      const taken = this.#pending;
      const position = this.#pendingPosition;
      const waiting = this.#waiting;
      this.#pending = new Map();
      this.#waiting = [];
      const updates = [...taken.values()];
      const startTs = this.#options.clock.now();
      try {
        await this.#options.positions.cover(position);
        await this.#save(updates);
      } catch (error) {
        this.#putBack(taken);
        this.#waiting.unshift(...waiting);
        this.#failed(error, this.#options.clock.now() - startTs);
        return;
      }
      if (this.#failingSinceTs !== null) this.#options.logger.info({}, 'presence is saved again');
      this.#failingSinceTs = null;
      this.#retryMs = FIRST_RETRY_MS;
      this.#publish({ updates, pings: [], position });
      for (const waiter of waiting) waiter.resolve();
    }
    // In the same step as the look at `#pending`: a turn that closes from now on starts a write of its own.
    this.#isWriting = false;
    this.#release();
  }

  async #save(updates: readonly PresenceUpdate[]): Promise<void> {
    const { store, metrics, onWrite } = this.#options;
    for (let start = 0; start < updates.length; start += MAX_ROWS_PER_WRITE) {
      if (start > 0) await breathe(this.#options);
      const chunk =
        start === 0 && updates.length <= MAX_ROWS_PER_WRITE
          ? updates
          : updates.slice(start, start + MAX_ROWS_PER_WRITE);
      onWrite(chunk);
      await metrics.timeStore('write', () => store.write(chunk));
    }
  }

  #publish(changes: TurnChanges): void {
    try {
      this.#options.onDurable(changes);
    } catch (err) {
      // What is durable stays acknowledged, whatever a listener does.
      this.#options.logger.error({ err }, 'telling about presence failed');
    }
  }

  #cancelRetry(): void {
    this.#retry?.cancel();
    this.#retry = null;
  }

  #putBack(taken: ReadonlyMap<number, PresenceUpdate>): void {
    const newer = this.#pending;
    this.#pending = new Map();
    for (const [uid, update] of taken) if (!newer.has(uid)) this.#pending.set(uid, update);
    for (const [uid, update] of newer) this.#pending.set(uid, update);
  }

  #failed(error: unknown, tookMs: number): void {
    this.#isWriting = false;
    const { clock, logger } = this.#options;
    const updates = this.#pending.size;
    // A flood of requests is not to become a flood of lines: the first failure, then those of the retries.
    if (this.#failingSinceTs === null)
      logger.error({ err: error, updates }, 'presence could not be saved; it will be tried again');
    this.#failingSinceTs ??= clock.now();
    if (tookMs > SLOW_FAILURE_MS) this.#refusal = { error };
    this.#retry = clock.setTimeout(() => {
      this.#refusal = null;
      this.#retryMs = Math.min(this.#retryMs * 2, LAST_RETRY_MS);
      logger.warn({ updates: this.#pending.size, sinceTs: this.#failingSinceTs }, 'trying again to save presence');
      if (!this.#isWriting) this.#write();
    }, this.#retryMs);
    this.#refuse(error);
  }

  #refuse(error: unknown): void {
    for (const waiter of this.#waiting.splice(0)) waiter.reject(error);
  }

  #release(): void {
    for (const waiter of this.#waiting.splice(0)) waiter.resolve();
  }
}
