/**
 * The ports: what an embedder implements to put the presence service on something else. Re-exports only (`thalamus/ports`).
 */
export type { AccountStore } from './account-store.ts';
export type { Clock, Timer } from './clock.ts';
export { PortError } from './errors.ts';
export type {
  DestinationRow,
  DestinationStore,
  PeerKey,
  PeerKeyStore,
  ReceivedTransaction,
  TransactionStore,
} from './federation-store.ts';
export type { FederationTransport, OwedPresence } from './federation-transport.ts';
export type { LogFields, Logger } from './logger.ts';
export type { Counter, Gauge, Histogram, Labels, MetricOptions, Metrics } from './metrics.ts';
export {
  type PeerClient,
  PeerError,
  type PeerErrorKind,
  type PeerRequest,
  type PeerResponse,
} from './peer-client.ts';
export type { PresenceStore, RoutedAnswer, StoredPresence } from './presence-store.ts';
export type { MembershipChange, RoomDirectory } from './room-directory.ts';
export type { RoomStore } from './room-store.ts';
