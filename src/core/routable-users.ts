/**
 * Users about whom routers are asked again when others answer from now on: those who are not offline, and those with an answer in effect, so
 * that it is replaced.
 */
import type { PresenceUpdate } from './engine-api.ts';
import type { KeptAnswers } from './kept-answers.ts';
import type { ServerDelivery } from './server-delivery.ts';
import type { Turn } from './turn.ts';
import type { UserTable } from './user-table.ts';

export interface RoutableParts {
  readonly users: UserTable;
  readonly turn: Turn;
  readonly kept: KeptAnswers;
  readonly servers: ServerDelivery;
}

/** As updates that were told already, in the order of dense ids. Of whom nobody was ever told, there is nothing to route. */
export function routableUsers(
  { users, turn, kept, servers }: RoutableParts,
  from: number,
  to: number,
): PresenceUpdate[] {
  const found: PresenceUpdate[] = [];
  const end = Math.min(to, users.bound);
  for (let uid = from; uid < end; uid++) {
    const position = users.position[uid] as number;
    if (!users.isUsed(uid) || position === 0) continue;
    const isKept = kept.position(uid) > 0 || servers.routedOf(uid).size > 0;
    if (turn.isShownOffline(uid) && !isKept) continue;
    const state = turn.shownRecord(uid);
    found.push({ uid, state, previousState: state.state, position, reason: 'forced' });
  }
  return found;
}
