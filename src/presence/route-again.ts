/**
 * `invalidateUsersForStates`: routers are asked again about the present of users who have not changed, because what they answer from has.
 *
 * A few hundred at a time, so that neither a module nor the limits of its answer meet everybody at once. A change of such a user that
 * comes meanwhile goes its own way, and is at least as new.
 */
import type { PresenceUpdate, StoredRow } from '../core/engine-api.ts';
import type { UserPresenceState } from '../core/user-presence-state.ts';
import type { UserId } from '../matrix/identifiers.ts';
import { type Background, breathe } from './background.ts';

/** Users asked about at once. */
const BATCH = 500;

export interface RouteAgainParts extends Background {
  readonly engine: {
    uidOf(userId: UserId): number;
    shownState(uid: number): UserPresenceState;
    rowOf(uid: number): Pick<StoredRow, 'position'>;
  };
  /** Hands updates to the routers. */
  readonly route: (updates: readonly PresenceUpdate[]) => void;
  readonly isStopped: () => boolean;
}

/** Resolves when all are handed over. Users of whom nobody was ever told are left out: there is nothing to route. */
export async function routeAgain(users: readonly UserId[], parts: RouteAgainParts): Promise<void> {
  const { engine, isStopped, route } = parts;
  for (let start = 0; start < users.length; start += BATCH) {
    if (start > 0) await breathe(parts);
    if (isStopped()) return;
    const updates: PresenceUpdate[] = [];
    for (const userId of users.slice(start, start + BATCH)) {
      const uid = engine.uidOf(userId);
      const position = uid < 0 ? 0 : engine.rowOf(uid).position;
      if (position === 0) continue;
      const state = engine.shownState(uid);
      updates.push({ uid, state, previousState: state.state, position, reason: 'forced' });
    }
    route(updates);
  }
}
