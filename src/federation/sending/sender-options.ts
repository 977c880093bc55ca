/**
 * How updates leave for other servers: the settings of the sender, with their reasons.
 *
 * Names of the retry settings follow the reference server's `federation` section; the pace follows its
 * `federation_rr_transactions_per_room_per_second`.
 */

export interface FederationSenderOptions {
  /** How long an update waits for others to the same server, so that flapping makes one request. @default 100 */
  readonly coalescingWindowMs: number;
  /** Of servers that get something at the same time, at most so many are started per second. @default 50 */
  readonly wakesPerSecond: number;
  /** … but all of them within this time, however many they are. @default 30 s */
  readonly maxSpreadMs: number;
  /** Over how long keep-alives are held back and spread. Added to 25 min it must stay below the peers' 30. @default 3 min */
  readonly keepAliveSpreadMs: number;
  /** States in one EDU. More is not understood everywhere. @default 50 */
  readonly maxStatesPerEdu: number;
  /** EDUs in one transaction, at most 100. Ten are what the reference server works on at once. @default 10 */
  readonly maxEdusPerTransaction: number;
  /** A transaction that has reached this size takes no further state. @default 256 KiB */
  readonly maxTransactionBytes: number;

  /** Quick retries before a destination rests for minutes: after about 1, 4, 16, 60, 60 … s. @default 10 */
  readonly maxLongRetries: number;
  /** Longest pause between quick retries. @default 60 s */
  readonly maxLongRetryDelayMs: number;
  /** First rest after the quick retries. @default 10 min */
  readonly minRetryIntervalMs: number;
  /** What the rest grows by at each failure. @default 2 */
  readonly retryMultiplier: number;
  /** Longest rest. @default 7 d */
  readonly maxRetryIntervalMs: number;
  /** Longest wait that a peer may ask for with `Retry-After`. @default 10 min */
  readonly maxRetryAfterMs: number;
  /** After so many failures in a row the queue is given up for "everything since then is owed". @default 5 */
  readonly failuresBeforeCollapse: number;
  /** Inbound requests wake a failing destination at most this often. @default 5 s */
  readonly minWakeIntervalMs: number;

  /** Destinations with something to send or owed; updates for further ones are dropped. @default 100,000 */
  readonly maxDestinations: number;
  /** States waiting for one destination; beyond it they are owed instead, and read again when it has room. @default 10,000 */
  readonly maxStatesPerDestination: number;
  /** States waiting for all destinations together; the same beyond it. @default 1,000,000 */
  readonly maxStates: number;
  /** Open transactions to destinations that do well. @default 100 */
  readonly maxConcurrentTransactions: number;
  /** Open transactions to destinations that fail or take long: they must not take the others' places. @default 50 */
  readonly maxSlowTransactions: number;
  /** A transaction open for longer counts as slow. @default 5 s */
  readonly slowAfterMs: number;
  /** Bytes of transactions that are not answered, roughly; no new one starts beyond it. @default 64 MiB */
  readonly maxBytesInFlight: number;

  /** How often progress is saved while there is some. @default 30 s */
  readonly checkpointIntervalMs: number;
  /** How long the reading of owed states may stall. @default 60 s */
  readonly owedTimeoutMs: number;
  /** How long a stop waits for what is pending. @default 3 s */
  readonly stopTimeoutMs: number;
}

export const DEFAULT_SENDER_OPTIONS: FederationSenderOptions = {
  coalescingWindowMs: 100,
  wakesPerSecond: 50,
  maxSpreadMs: 30_000,
  keepAliveSpreadMs: 180_000,
  maxStatesPerEdu: 50,
  maxEdusPerTransaction: 10,
  maxTransactionBytes: 256 * 1024,

  maxLongRetries: 10,
  maxLongRetryDelayMs: 60_000,
  minRetryIntervalMs: 600_000,
  retryMultiplier: 2,
  maxRetryIntervalMs: 7 * 86_400_000,
  maxRetryAfterMs: 600_000,
  failuresBeforeCollapse: 5,
  minWakeIntervalMs: 5_000,

  maxDestinations: 100_000,
  maxStatesPerDestination: 10_000,
  maxStates: 1_000_000,
  maxConcurrentTransactions: 100,
  maxSlowTransactions: 50,
  slowAfterMs: 5_000,
  maxBytesInFlight: 64 * 1024 * 1024,

  checkpointIntervalMs: 30_000,
  owedTimeoutMs: 60_000,
  stopTimeoutMs: 3_000,
};
