/**
 * Stands in when no listener is for other servers: it counts what would leave, and sends nothing.
 */
import type { UserPresenceState } from '../../core/user-presence-state.ts';
import type { ServerName } from '../../matrix/identifiers.ts';
import type { DestinationStanding, FederationTransport } from '../../ports/federation-transport.ts';
import type { Counter, Metrics } from '../../ports/metrics.ts';

export class CountingFederationTransport implements FederationTransport {
  /** Updates so far: one for each user and server. */
  count = 0;
  readonly #counter: Counter;

  constructor(metrics: Metrics) {
    this.#counter = metrics.counter({
      name: 'thalamus_federation_presence_not_sent',
      help: 'Presence updates for other servers that were not sent, because no listener has the resource federation',
    });
  }

  sendPresence(_destination: ServerName, states: readonly UserPresenceState[]): void {
    this.count += states.length;
    this.#counter.inc({}, states.length);
  }

  sendKeepAlives(destination: ServerName, states: readonly UserPresenceState[]): void {
    this.sendPresence(destination, states);
  }

  standingOf(): DestinationStanding {
    const nothing = { failures: 0, retryAtTs: null, queued: 0, owedSinceTs: null, isSending: false };
    return { ...nothing, isOn: false, isAllowed: true };
  }
}
