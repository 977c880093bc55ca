/**
 * Sends presence to other servers.
 */
import type { UserPresenceState } from '../../core/user-presence-state.ts';
import type { ServerName } from '../../matrix/identifiers.ts';
import type { Clock } from '../../ports/clock.ts';
import type { DestinationStore } from '../../ports/federation-store.ts';
import type { FederationTransport, OwedPresence } from '../../ports/federation-transport.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Metrics } from '../../ports/metrics.ts';
import type { PeerTransactions } from './peer-transactions.ts';
import { DEFAULT_SENDER_OPTIONS, type FederationSenderOptions } from './sender-options.ts';

export interface FederationSenderParts {
  readonly serverName: ServerName;
  readonly transactions: PeerTransactions;
  readonly store: DestinationStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** In [0, 1), as Math.random. */
  readonly random: () => number;
  /** Whether we talk to the server at all. Our own and invalid names are refused anyway. */
  readonly isAllowed: (server: ServerName) => boolean;
  readonly options?: Partial<FederationSenderOptions>;
}

export class FederationSender implements FederationTransport {
  readonly #options: FederationSenderOptions;

  constructor({ options }: FederationSenderParts) {
    this.#options = { ...DEFAULT_SENDER_OPTIONS, ...options };
  }

  /** After `start`: updates told at or after it may not have reached their servers before the last end; have them told again. */
  get resendSinceTs(): number {
    return 0;
  }

  get stats(): { readonly destinations: number; readonly options: FederationSenderOptions } {
    return { destinations: 0, options: this.#options };
  }

  async start(_owed: OwedPresence): Promise<void> {}

  /** To be called when the presence service has told everything. */
  async stop(): Promise<void> {}

  sendPresence(_destination: ServerName, _states: readonly UserPresenceState[]): void {}

  sendKeepAlives(_destination: ServerName, _states: readonly UserPresenceState[]): void {}

  /** A request of that server has come in and was authentic: it can be reached again. */
  peerIsAlive(_origin: ServerName): void {}
}
