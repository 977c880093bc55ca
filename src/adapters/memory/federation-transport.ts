/**
 * A federation transport that keeps what would have left, for tests and the author kit.
 */
import type { UserPresenceState } from '../../core/user-presence-state.ts';
import type { ServerName, UserId } from '../../matrix/identifiers.ts';
import type { FederationTransport } from '../../ports/federation-transport.ts';

export interface SentPresence {
  readonly destination: ServerName;
  readonly states: readonly UserPresenceState[];
}

export class MemoryFederationTransport implements FederationTransport {
  /** Every call, in order. */
  readonly sent: SentPresence[] = [];
  /** Those of them that were keep-alives. */
  readonly keptAlive: SentPresence[] = [];

  sendPresence(destination: ServerName, states: readonly UserPresenceState[]): void {
    this.sent.push({ destination, states: [...states] });
  }

  sendKeepAlives(destination: ServerName, states: readonly UserPresenceState[]): void {
    this.sendPresence(destination, states);
    this.keptAlive.push({ destination, states: [...states] });
  }

  /** The newest state of each user that `destination` was sent. */
  statesAt(destination: ServerName): Map<UserId, UserPresenceState> {
    const newest = new Map<UserId, UserPresenceState>();
    for (const call of this.sent) {
      if (call.destination === destination) for (const state of call.states) newest.set(state.userId, state);
    }
    return newest;
  }

  clear(): void {
    this.sent.length = 0;
    this.keptAlive.length = 0;
  }
}
