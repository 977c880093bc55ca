/**
 * The one rendering of a presence record, as JSON text: for `GET …/status` and for `m.presence` events.
 *
 * `last_active_ago` only if there was activity and never negative; `status_msg` only if not empty; `currently_active` only while
 * online. What the form keeps back is not there at all. Source: Matrix specification, "Presence"; reference behaviour §1.4.
 */
import { Form, isHidden } from '../core/forms.ts';
import type { UserPresenceState } from '../core/user-presence-state.ts';
import { PresenceState } from '../matrix/presence-state.ts';

/** What is said of somebody of whom nothing may be said. */
export const OFFLINE_STATUS = '{"presence":"offline"}';

/** The content of the event, which is the body of GET …/status, too. `now` in ms since the epoch. */
export function formatStatus(state: UserPresenceState, now: number, form: Form): string {
  if (isHidden(form)) return OFFLINE_STATUS;
  let text = `{"presence":"${state.state}"`;
  if (state.lastActiveTs !== 0 && (form & Form.NO_LAST_ACTIVE) === 0)
    text += `,"last_active_ago":${Math.max(0, now - state.lastActiveTs)}`;
  if (state.statusMsg !== null && state.statusMsg !== '' && (form & Form.NO_STATUS) === 0)
    text += `,"status_msg":${JSON.stringify(state.statusMsg)}`;
  if (state.state === PresenceState.ONLINE && (form & Form.NO_CURRENTLY_ACTIVE) === 0)
    text += `,"currently_active":${state.currentlyActive}`;
  return `${text}}`;
}

/** One element of `presence.events` in a sync response. */
export function formatEvent(state: UserPresenceState, now: number, form: Form): string {
  return `{"type":"m.presence","sender":${JSON.stringify(state.userId)},"content":${formatStatus(state, now, form)}}`;
}
