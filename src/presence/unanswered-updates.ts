/**
 * After a start: updates whose routing answer may have been lost, because a module was still thinking, or its answer was not saved, when the
 * process ended. They are routed once more, so that whoever watches by routing alone misses no last change.
 *
 * An answer is lost at most as long after its update as modules and the store may take, so only the last minute before the end counts.
 */
import type { PresenceUpdate } from '../core/engine-api.ts';
import type { PresenceEngine } from '../core/presence-engine.ts';
import type { UserId } from '../matrix/identifiers.ts';
import type { StoredPresence } from '../ports/presence-store.ts';

const ANSWERED_WITHIN_MS = 60_000;

interface Candidate {
  readonly userId: UserId;
  readonly position: number;
  readonly toldTs: number;
}

export class UnansweredUpdates {
  #candidates: Candidate[] = [];
  #newestTs = 0;

  /** Looks at rows as they are loaded. */
  look(rows: readonly StoredPresence[]): void {
    for (const { state, position, routedPosition } of rows) {
      const { userId, lastFederationUpdateTs: toldTs } = state;
      if (position <= routedPosition || toldTs < this.#newestTs - ANSWERED_WITHIN_MS) continue;
      this.#newestTs = Math.max(this.#newestTs, toldTs);
      this.#candidates.push({ userId, position, toldTs });
    }
  }

  /** Those that are still what is known, as updates that were told. Once: the next call has none. */
  take(engine: Pick<PresenceEngine, 'uidOf' | 'shownState'>): PresenceUpdate[] {
    const updates: PresenceUpdate[] = [];
    for (const { userId, position, toldTs } of this.#candidates) {
      const uid = engine.uidOf(userId);
      if (uid < 0 || toldTs < this.#newestTs - ANSWERED_WITHIN_MS) continue;
      const state = engine.shownState(uid);
      // A later change is on its way to the routers by itself.
      if (state.lastFederationUpdateTs !== toldTs) continue;
      updates.push({ uid, state, previousState: state.state, position, reason: 'forced' });
    }
    this.#candidates = [];
    return updates;
  }
}
