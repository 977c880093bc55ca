/**
 * Tells a traffic tap who is told of whom: each update once, when all modules have answered.
 *
 * An update that a newer one of the same user overtakes before that is left out: modules were never asked about it, or not in time.
 */
import type { PresenceUpdate } from '../core/engine-api.ts';
import type { PresenceEngine } from '../core/presence-engine.ts';
import type { RoomId, UserId } from '../matrix/identifiers.ts';
import type { TrafficTap } from '../ports/traffic-tap.ts';
import type { Background } from './background.ts';

/** How long an update waits for modules to say who must not get it. */
const LONGEST_WAIT_MS = 10_000;

interface OpenUpdate {
  readonly update: PresenceUpdate;
  readonly ts: number;
  isRouted: boolean;
}

export interface TrafficWatcherOptions extends Background {
  readonly tap: TrafficTap;
  readonly engine: () => PresenceEngine;
  readonly excludedRooms: ReadonlySet<RoomId>;
}

export class TrafficWatcher {
  readonly #options: TrafficWatcherOptions;
  /** By user. */
  readonly #open = new Map<number, OpenUpdate>();
  readonly #observers = new Set<UserId>();
  #isScheduled = false;

  constructor(options: TrafficWatcherOptions) {
    this.#options = options;
  }

  /** Updates that modules have not answered. */
  get open(): number {
    return this.#open.size;
  }

  /** The engine is loaded. */
  begin(): void {
    const { engine, tap } = this.#options;
    tap.begin(() => {
      // Those who are gone and not told of yet are told of soon.
      return { rooms: engine().traffic.rooms(), observers: [...this.#observers] };
    });
  }

  moved(membership: 'join' | 'leave', roomId: RoomId, userId: UserId): void {
    const { clock, excludedRooms, tap } = this.#options;
    if (excludedRooms.has(roomId)) return;
    if (membership === 'join') tap.joined(roomId, userId, clock.now());
    else tap.left(roomId, userId, clock.now());
  }

  /** A sync of theirs began. */
  connected(userId: UserId): void {
    if (this.#observers.has(userId)) return;
    this.#observers.add(userId);
    this.#options.tap.connected(userId, this.#options.clock.now());
  }

  /** Time has acted on the engine. */
  tick(): void {
    this.#lookForGone();
    this.settle();
  }

  /** @param isRouted - whether routers are not asked about them */
  published(updates: readonly PresenceUpdate[], isRouted: boolean): void {
    const ts = this.#options.clock.now();
    for (const update of updates) this.#open.set(update.uid, { update, ts, isRouted });
    this.settle();
  }

  routed(batch: readonly PresenceUpdate[]): void {
    for (const { uid, position } of batch) {
      const open = this.#open.get(uid);
      if (open !== undefined && open.update.position <= position) open.isRouted = true;
    }
    this.settle();
  }

  /** Something was answered: tells of what waits for nothing any more. */
  settle(): void {
    if (this.#isScheduled || this.#open.size === 0) return;
    this.#isScheduled = true;
    this.#options.schedule(() => {
      this.#isScheduled = false;
      this.#settle();
    });
  }

  #settle(): void {
    const { clock, engine, tap } = this.#options;
    this.#lookForGone();
    for (const [uid, { update, ts, isRouted }] of this.#open) {
      const isLate = clock.now() - ts >= LONGEST_WAIT_MS;
      if (!isRouted && !isLate) continue;
      const { userId, state } = update.state;
      // Forgotten meanwhile, and the number may be somebody else's.
      if (engine().uidOf(userId) !== uid) {
        this.#open.delete(uid);
        continue;
      }
      const { users, servers, isUnanswered } = engine().traffic.audiencesOf(uid);
      if (isUnanswered && !isLate) continue;
      this.#open.delete(uid);
      tap.told({ ts, userId, state, users, servers });
    }
  }

  #lookForGone(): void {
    if (this.#options.engine().traffic.observers !== this.#observers.size) this.#removeGone();
  }

  #removeGone(): void {
    const { clock, engine, tap } = this.#options;
    for (const userId of this.#observers) {
      if (engine().isConnected(userId)) continue;
      this.#observers.delete(userId);
      tap.disconnected(userId, clock.now());
    }
  }
}
