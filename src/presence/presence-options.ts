/**
 * What a presence service is made of: settings, and the ports and parts it works with.
 */
import type { EngineLimits, PresenceMode, PresenceTimers } from '../core/engine-api.ts';
import type { RoomId, ServerName } from '../matrix/identifiers.ts';
import type { Clock } from '../ports/clock.ts';
import type { FederationTransport } from '../ports/federation-transport.ts';
import type { Logger } from '../ports/logger.ts';
import type { Metrics } from '../ports/metrics.ts';
import type { PresenceStore } from '../ports/presence-store.ts';
import type { RoomDirectory } from '../ports/room-directory.ts';
import type { Router } from '../router-host/index.ts';

export interface PresenceSettings {
  readonly serverName: ServerName;
  readonly mode: PresenceMode;
  readonly timers: PresenceTimers;
  readonly limits: EngineLimits;
  /** `exclude_rooms_from_presence`. */
  readonly excludedRooms: ReadonlySet<RoomId>;
  /** `presence.max_status_msg_bytes`, for what modules set; clients' are checked where they come in. */
  readonly maxStatusMsgBytes: number;
  /** `experimental_features.msc3026_enabled`. */
  readonly busyEnabled: boolean;
}

export interface PresenceParts {
  readonly store: PresenceStore;
  readonly rooms: RoomDirectory;
  readonly federation: FederationTransport;
  /** Its callbacks may be registered after `start`. */
  readonly router: Router;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** When a turn closes: calls `fn` after what is under way. Tests give `queueMicrotask`. @default setImmediate */
  readonly schedule?: (fn: () => void) => unknown;
}

/** The reference server's defaults, in the engine's shape. */
export const DEFAULT_TIMERS: PresenceTimers = {
  lastActiveGranularityMs: 60_000,
  syncOnlineTimeoutMs: 30_000,
  idleTimeoutMs: 300_000,
  busyOnlineTimeoutMs: 3_600_000,
  federationTimeoutMs: 1_800_000,
  federationPingIntervalMs: 1_500_000,
  observerLingerMs: 60_000,
  managedTtlMs: 3_600_000,
};

export const DEFAULT_LIMITS: EngineLimits = { maxPendingPerObserver: 1_000, maxRoutedPerUser: 100_000 };
