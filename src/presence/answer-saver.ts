/**
 * Saves the routers' answers that are in effect: a new one at once, and the position of one that was given again with the others of
 * the same tenth of a second. When saving fails it is tried again until it succeeds or a newer answer replaces it.
 *
 * A process that is killed loses at most the last ones; the routers are then asked again at the next start (unanswered-updates.ts).
 */
import type { KeptChange } from '../core/engine-api.ts';
import type { UserId } from '../matrix/identifiers.ts';
import type { Timer } from '../ports/clock.ts';
import { LogGate } from '../ports/log-gate.ts';
import type { PresenceStore, RoutedAnswer } from '../ports/presence-store.ts';
import { type Background, inBackground } from './background.ts';
import type { PresenceMetrics } from './presence-metrics.ts';

const RETRY_MS = 1_000;
/** From one write of positions to the next. */
const POSITIONS_INTERVAL_MS = 100;
const MAX_PER_WRITE = 500;

export interface AnswerSaverOptions extends Background {
  readonly store: Pick<PresenceStore, 'writeRouted' | 'moveRouted'>;
  readonly metrics: PresenceMetrics;
}

export class AnswerSaver {
  readonly #options: AnswerSaverOptions;
  readonly #log: LogGate;
  /** Answers that are not saved. */
  readonly #unsaved = new Map<UserId, RoutedAnswer>();
  /** New positions of answers that are saved otherwise. */
  readonly #moved = new Map<UserId, number>();
  #movesDueTs = 0;
  #isSaving = false;
  #saved: Promise<void> = Promise.resolve();
  #timer: Timer | null = null;

  constructor(options: AnswerSaverOptions) {
    this.#options = options;
    this.#log = new LogGate(options.clock, (fields, message) => options.logger.warn(fields, message));
  }

  add(changes: readonly KeptChange[]): void {
    for (const { userId, routedTo, routedPosition } of changes) {
      const targets = routedTo ?? this.#unsaved.get(userId)?.routedTo;
      if (targets === undefined) {
        this.#moved.set(userId, routedPosition);
        continue;
      }
      this.#unsaved.set(userId, { userId, routedTo: targets, routedPosition });
      this.#moved.delete(userId);
    }
    this.#save();
  }

  /** The user's row is no more. */
  forget(userId: UserId): void {
    this.#unsaved.delete(userId);
    this.#moved.delete(userId);
  }

  /** Saves everything, once. */
  async stop(): Promise<void> {
    await this.#saved;
    this.#movesDueTs = 0;
    this.#save();
    await this.#saved;
    this.#timer?.cancel();
    this.#timer = null;
  }

  #save(): void {
    if (this.#isSaving || this.#unsaved.size + this.#moved.size === 0) return;
    const waitMs = this.#unsaved.size > 0 ? 0 : this.#movesDueTs - this.#options.clock.now();
    if (waitMs > 0) {
      this.#saveLater(waitMs);
      return;
    }
    this.#timer?.cancel();
    this.#timer = null;
    this.#isSaving = true;
    this.#saved = this.#saveAll();
    inBackground(this.#options, 'saving routing answers', this.#saved);
  }

  #saveLater(delayMs: number): void {
    this.#timer ??= this.#options.clock.setTimeout(() => {
      this.#timer = null;
      this.#save();
    }, delayMs);
  }

  async #saveAll(): Promise<void> {
    const { clock } = this.#options;
    try {
      for (;;) {
        if (this.#unsaved.size > 0) await this.#saveAnswers();
        else if (this.#moved.size > 0 && clock.now() >= this.#movesDueTs) await this.#saveMoves();
        else break;
      }
      // In the same step as the last look: what comes from now on is saved by a call of its own.
      this.#isSaving = false;
      this.#save();
    } catch (err) {
      this.#isSaving = false;
      const answers = this.#unsaved.size + this.#moved.size;
      this.#log.tell('store', () => ({ err, answers }), 'routing answers could not be saved; it will be tried again');
      this.#saveLater(RETRY_MS);
    }
  }

  async #saveAnswers(): Promise<void> {
    const { store, metrics } = this.#options;
    const answers = first(this.#unsaved.values(), MAX_PER_WRITE);
    await metrics.timeStore('write_routed', () => store.writeRouted(answers));
    for (const saved of answers) if (this.#unsaved.get(saved.userId) === saved) this.#unsaved.delete(saved.userId);
  }

  async #saveMoves(): Promise<void> {
    const { store, metrics, clock } = this.#options;
    while (this.#moved.size > 0) {
      const positions = new Map(first(this.#moved, MAX_PER_WRITE));
      await metrics.timeStore('move_routed', () => store.moveRouted(positions));
      for (const [userId, position] of positions) if (this.#moved.get(userId) === position) this.#moved.delete(userId);
    }
    this.#movesDueTs = clock.now() + POSITIONS_INTERVAL_MS;
  }
}

function first<T>(values: Iterable<T>, count: number): T[] {
  const taken: T[] = [];
  for (const value of values) if (taken.push(value) === count) break;
  return taken;
}
