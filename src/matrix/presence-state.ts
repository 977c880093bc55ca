/**
 * The presence states of the Matrix specification, and the busy state of MSC3026, with their order.
 */

/** Wire values. `BUSY` is accepted only while `experimental_features.msc3026_enabled` is true. */
export const PresenceState = {
  OFFLINE: 'offline',
  UNAVAILABLE: 'unavailable',
  ONLINE: 'online',
  BUSY: 'org.matrix.msc3026.busy',
} as const;
export type PresenceState = (typeof PresenceState)[keyof typeof PresenceState];

/** Every state, from the weakest to the strongest: a user's state is the strongest of their devices' states. */
export const PRESENCE_STATES = [
  PresenceState.OFFLINE,
  PresenceState.UNAVAILABLE,
  PresenceState.ONLINE,
  PresenceState.BUSY,
] as const satisfies readonly PresenceState[];

/** Whether `value` is one of the four states. Whether busy is allowed is the caller's question. */
export function isPresenceState(value: unknown): value is PresenceState {
  return typeof value === 'string' && (PRESENCE_STATES as readonly string[]).includes(value);
}
