/**
 * What federation must remember over a restart: other servers' keys, how destinations do, and which transactions were taken.
 *
 * Same promises as the other stores: durable when resolved, all or nothing, `PortError` on failure.
 */
import type { ServerName } from '../matrix/identifiers.ts';

export interface PeerKey {
  readonly serverName: ServerName;
  /** `ed25519:abc` */
  readonly keyId: string;
  /** Unpadded base64. */
  readonly publicKey: string;
  /** Signatures made after it are not good with this key, in ms. For an old key: when it expired. */
  readonly validUntilTs: number;
  readonly fetchedTs: number;
}

export interface PeerKeyStore {
  load(serverName: ServerName): Promise<readonly PeerKey[]>;
  /** Replaces all keys of each server that has one in `keys`. At most one for each server and key id. */
  save(keys: readonly PeerKey[]): Promise<void>;
  /**
   * Forgets keys that were fetched before a time, and the longest fetched beyond `keepNewest` (a few more may go, those fetched at the
   * same time as the last one). Resolves with how many they were.
   */
  forget(options: { readonly fetchedBeforeTs: number; readonly keepNewest: number }): Promise<number>;
}

/** How a destination does. One that is well and is owed nothing has no row. */
export interface DestinationRow {
  readonly destination: ServerName;
  /** Failed attempts in a row; 0 when it is only owed something. */
  readonly failures: number;
  readonly retryAtTs: number;
  readonly retryIntervalMs: number;
  /** Updates told since then did not reach it; null for none. */
  readonly owedSinceTs: number | null;
}

export interface DestinationStore {
  loadAll(): Promise<readonly DestinationRow[]>;
  save(rows: readonly DestinationRow[]): Promise<void>;
  remove(destinations: readonly ServerName[]): Promise<void>;
  /** Everything told before it reached its destinations, or their rows say that it is owed. 0 in a new store. */
  deliveredUntilTs(): Promise<number>;
  setDeliveredUntilTs(ts: number): Promise<void>;
}

export interface ReceivedTransaction {
  readonly origin: ServerName;
  readonly txnId: string;
  readonly receivedTs: number;
  /** The body that was answered. */
  readonly response: string;
}

export interface TransactionStore {
  find(origin: ServerName, txnId: string): Promise<ReceivedTransaction | null>;
  /** Remembers one; forgets those of the origin beyond the newest `keepPerOrigin`, or none if that is null. */
  save(transaction: ReceivedTransaction, keepPerOrigin: number | null): Promise<void>;
  /**
   * Forgets those received before a time, and of all servers' together the oldest beyond `keepNewest` (a few more may go, those received at
   * the same time as the last one). Resolves with how many they were.
   */
  forget(options: { readonly receivedBeforeTs: number; readonly keepNewest: number }): Promise<number>;
}
