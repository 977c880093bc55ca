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
import type { TrafficTap } from '../ports/traffic-tap.ts';
import type { Router } from '../router-host/index.ts';

export interface PresenceSettings {
  readonly serverName: ServerName;
  readonly mode: PresenceMode;
  readonly timers: PresenceTimers;
  readonly limits: EngineLimits;
  /** `exclude_rooms_from_presence`. */
  readonly excludedRooms: ReadonlySet<RoomId>;
  /** `presence.tell_offline_on_loss`. @default true */
  readonly tellsLoss?: boolean;
  /** `presence.max_status_msg_bytes`, for what modules set; clients' are checked where they come in. */
  readonly maxStatusMsgBytes: number;
  /** `experimental_features.msc3026_enabled`. */
  readonly busyEnabled: boolean;
  /** @default DEFAULT_REMOTE_LIMITS */
  readonly remote?: Partial<RemoteLimits>;
}

/** Bounds on what other servers' users cost who share no room with ours. */
export interface RemoteLimits {
  /** Strangers: users whom nobody here can see yet. Of one server, and in all. */
  readonly maxStrangersPerServer: number;
  readonly maxStrangers: number;
  /** Guests: users whom only modules show to somebody here. Of one server, and in all; those whom an observer's interest names are free. */
  readonly maxGuestsPerServer: number;
  readonly maxGuests: number;
  /** Strangers whose states modules are asked about each second, of one server and in all; five seconds' worth at once. */
  readonly strangersAskedPerSecondAndServer: number;
  readonly strangersAskedPerSecond: number;
  /** Characters of the status messages of one server's users, and of all remote users; beyond it, they are left out. */
  readonly maxStatusCharsPerServer: number;
  readonly maxStatusChars: number;
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
  /** Hears who is told of whom. @default nobody does, which costs nothing */
  readonly tap?: TrafficTap | null;
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

export const DEFAULT_REMOTE_LIMITS: RemoteLimits = {
  maxStrangersPerServer: 1_000,
  maxStrangers: 20_000,
  maxGuestsPerServer: 10_000,
  maxGuests: 100_000,
  strangersAskedPerSecondAndServer: 20,
  strangersAskedPerSecond: 200,
  maxStatusCharsPerServer: 16_000_000,
  maxStatusChars: 64_000_000,
};
