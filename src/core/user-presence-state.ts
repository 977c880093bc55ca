/**
 * The presence record of one user, as modules, ports and renderers see it.
 *
 * Field names are the reference server's in camelCase. Every `…Ts` is milliseconds since the Unix epoch; 0 means never.
 */
import type { UserId } from '../matrix/identifiers.ts';
import type { PresenceState } from '../matrix/presence-state.ts';

/** Frozen; two records with equal fields mean the same thing. */
export interface UserPresenceState {
  readonly userId: UserId;
  readonly state: PresenceState;
  /** Last activity. For remote users derived from `last_active_ago` on receipt. */
  readonly lastActiveTs: number;
  /** Local user: last time an update was sent or a keep-alive was due. Remote user: last time one was received. */
  readonly lastFederationUpdateTs: number;
  /** Start or end, whichever is later, of the last sync that affected presence. Local users only. */
  readonly lastUserSyncTs: number;
  readonly statusMsg: string | null;
  readonly currentlyActive: boolean;
}
