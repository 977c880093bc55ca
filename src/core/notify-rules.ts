/**
 * When a change is worth telling: the reference behaviour's §2.6, first match wins.
 *
 * The comparison is with the record before the turn, so that several commands in one turn make one update.
 */
import type { NotifyReason } from './engine-api.ts';
import { ONLINE } from './state-codes.ts';

/** What the rules look at, of one record. */
export interface Comparable {
  /** State code. */
  readonly state: number;
  readonly statusMsg: string | null;
  readonly currentlyActive: boolean;
  readonly lastActiveTs: number;
}

/** The reason to tell about the change from `before` to `after`, or null. `activeWindowMs` is the granularity of activity. */
export function notifyReason(before: Comparable, after: Comparable, activeWindowMs: number): NotifyReason | null {
  if (before.statusMsg !== after.statusMsg) return 'status_msg_change';
  if (before.state !== after.state) return 'state_change';
  const wasOnline = before.state === ONLINE;
  if (wasOnline && before.currentlyActive !== after.currentlyActive) return 'current_active_change';
  const advanced = after.lastActiveTs - before.lastActiveTs > activeWindowMs;
  if (!advanced) return null;
  if (!wasOnline) return 'last_active_change_not_online';
  return after.currentlyActive ? null : 'last_active_change_online';
}
