/**
 * States as small integers, so that they fit a byte column and the stronger one is the larger.
 *
 * The order is that of PRESENCE_STATES: a user's state is the largest of their devices' (reference behaviour, §2.3).
 */
import { PRESENCE_STATES, PresenceState } from '../matrix/presence-state.ts';

export const OFFLINE = 0;
export const UNAVAILABLE = 1;
export const ONLINE = 2;
export const BUSY = 3;

export function stateOfCode(code: number): PresenceState {
  return PRESENCE_STATES[code] ?? PresenceState.OFFLINE;
}

export function codeOfState(state: PresenceState): number {
  return PRESENCE_STATES.indexOf(state);
}
