/** In-memory adapters: a whole server without a disk, a network or a clock of its own. */
export { MemoryDestinationStore } from './destination-store.ts';
export { MemoryFederationTransport } from './federation-transport.ts';
export { RecordingLogger, SilentLogger } from './logger.ts';
export { ManualClock } from './manual-clock.ts';
export { MemoryMetrics } from './metrics.ts';
export { MemoryPeerKeyStore } from './peer-key-store.ts';
export { MemoryPresenceStore } from './presence-store.ts';
export { MemoryRoomDirectory } from './room-directory.ts';
export { MemoryTransactionStore } from './transaction-store.ts';
