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
  /**
   * The same for keep-alives: states that the destination has, unchanged, and forgets unless it hears them again. The transport may
   * hold them back for minutes to fill transactions and to spread the load.
   */
  sendKeepAlives(destination: ServerName, states: readonly UserPresenceState[]): void;
  /** How a destination does, for explanations; changes nothing. Absent where nobody knows. */
  standingOf?(destination: ServerName): DestinationStanding;
}

/** How a destination does. */
export interface DestinationStanding {
  /** Whether anything is sent to other servers, and taken from them. */
  readonly isOn: boolean;
  /** Whether the configuration lets this one be talked to. */
  readonly isAllowed: boolean;
  /** Attempts in a row that failed. */
  readonly failures: number;
  /** When it is tried again; null while it does well. */
  readonly retryAtTs: number | null;
  /** States that wait for it, without those that are owed. */
  readonly queued: number;
  /** Updates told since then did not reach it: it gets the present when it is there again. Null for none. */
  readonly owedSinceTs: number | null;
  /** Whether a transaction to it is open. */
  readonly isSending: boolean;
}

/** What a transport asks for when a destination that missed updates is there again. */
export interface OwedPresence {
  /**
   * The present states of local users that `destination` should have: who shares a room with its users or is routed to them, and is not
   * offline or was told of at or after `sinceTs`. In batches of any size, each user once; it waits for routers between batches.
   * Throws when it cannot go on to the end: then all of it is still owed.
   */
  statesFor(destination: ServerName, sinceTs: number): AsyncIterable<readonly UserPresenceState[]>;
}
