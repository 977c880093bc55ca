/**
 * The form in which an observer gets a presence record: what of it is kept from them, as bits. 0 is everything.
 *
 * Several restrictions add up, by `|`. Whoever is shown `OFFLINE` or is `DENIED` hears nothing of the source's updates, so that not even
 * their times tell anything.
 */
import type { UserPresenceState } from './user-presence-state.ts';

export type Form = number;

export const Form = {
  FULL: 0,
  /** Without `last_active_ago`. */
  NO_LAST_ACTIVE: 1,
  /** Without `currently_active`. */
  NO_CURRENTLY_ACTIVE: 2,
  /** Without `status_msg`. */
  NO_STATUS: 4,
  /** As offline, and nothing else. */
  OFFLINE: 8,
  /** Not at all. */
  DENIED: 16,
} as const;

/** In place of a form: nobody has said anything about the pair yet. */
export const UNKNOWN = -1;

/** Whether updates are kept from the observer altogether. */
export function isHidden(form: Form): boolean {
  return (form & (Form.OFFLINE | Form.DENIED)) !== 0;
}

/** The record as it is shown in the form, to other servers, too. Of `DENIED`, too, it says no more than that the user is offline. */
export function reduced(state: UserPresenceState, form: Form): UserPresenceState {
  if (form === Form.FULL) return state;
  if (isHidden(form)) {
    return Object.freeze({ ...state, state: 'offline', lastActiveTs: 0, statusMsg: null, currentlyActive: false });
  }
  return Object.freeze({
    ...state,
    lastActiveTs: (form & Form.NO_LAST_ACTIVE) === 0 ? state.lastActiveTs : 0,
    currentlyActive: (form & Form.NO_CURRENTLY_ACTIVE) === 0 && state.currentlyActive,
    statusMsg: (form & Form.NO_STATUS) === 0 ? state.statusMsg : null,
  });
}
