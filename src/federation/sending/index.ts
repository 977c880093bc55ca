/** Sending presence to other servers. */
export { FederationSender, type FederationSenderParts } from './federation-sender.ts';
export type { PeerTransactions, TransactionFailure, TransactionResult } from './peer-transactions.ts';
export { DEFAULT_SENDER_OPTIONS, type FederationSenderOptions } from './sender-options.ts';
export type { SenderStats } from './sending-metrics.ts';
export { createTransactionClient, type TransactionClientOptions } from './transaction-client.ts';
