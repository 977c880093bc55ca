/**
 * The one rendering of a presence record, as JSON text: for `GET …/status` and for `m.presence` events.
 *
 * `last_active_ago` only if there was activity and never negative; `status_msg` only if not empty; `currently_active` only while
 * online. Source: Matrix specification, "Presence"; reference behaviour §1.4.
 */
import type { UserPresenceState } from '../core/user-presence-state.ts';
import { PresenceState } from '../matrix/presence-state.ts';

/** The content of the event, which is the body of GET …/status, too. `now` in ms since the epoch. */
export function formatStatus(state: UserPresenceState, now: number): string {
  let text = `{"presence":"${state.state}"`;
  if (state.lastActiveTs !== 0) text += `,"last_active_ago":${Math.max(0, now - state.lastActiveTs)}`;
  if (state.statusMsg !== null && state.statusMsg !== '') text += `,"status_msg":${JSON.stringify(state.statusMsg)}`;
  if (state.state === PresenceState.ONLINE) text += `,"currently_active":${state.currentlyActive}`;
  return `${text}}`;
}

/** One element of `presence.events` in a sync response. */
export function formatEvent(state: UserPresenceState, now: number): string {
  return `{"type":"m.presence","sender":${JSON.stringify(state.userId)},"content":${formatStatus(state, now)}}`;
}
