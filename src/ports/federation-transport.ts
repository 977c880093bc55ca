/**
 * Where updates for other servers go. The engine decides who; the transport decides when and how.
 */
import type { UserPresenceState } from '../core/user-presence-state.ts';
import type { ServerName } from '../matrix/identifiers.ts';

export interface FederationTransport {
  /**
   * Queues the newest states of local users for `destination`. Never throws and never waits: a queue is the transport's own.
   * A newer state of a user supersedes an older one. `states` has at most one entry per user and is not kept by the caller.
   */
  sendPresence(destination: ServerName, states: readonly UserPresenceState[]): void;
}
