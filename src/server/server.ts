/**
 * What a running server is to whoever starts it: the command line, tests, and programs that embed it.
 */
import type { Config } from '../config/config.ts';
import type { PresenceTimers } from '../core/engine-api.ts';
import type { Clock } from '../ports/clock.ts';
import type { FederationTransport } from '../ports/federation-transport.ts';
import type { Logger } from '../ports/logger.ts';
import type { Metrics } from '../ports/metrics.ts';
import type { RoomDirectory } from '../ports/room-directory.ts';

/** Parts that take the place of what the composition root would make. */
export interface ServerOverrides {
  readonly clock?: Clock;
  readonly logger?: Logger;
  readonly metrics?: Metrics;
  readonly federation?: FederationTransport;
  /** Who is in which room, for presence only: rooms with members of other servers exist nowhere else. */
  readonly rooms?: RoomDirectory;
  /** Times that the configuration has no keys for, and those it has. */
  readonly timers?: Partial<PresenceTimers>;
  /** Folder for compiled modules; null to compile at each start. @default beside the database */
  readonly moduleCacheDir?: string | null;
}

/** Where the server listens. */
export interface ServerAddress {
  readonly address: string;
  readonly port: number;
  readonly protocol: 'http' | 'https';
  readonly resources: readonly string[];
}

/** What a reload did, in the words of the configuration's keys. */
export interface ReloadReport {
  readonly reloaded: readonly string[];
  /** Keys that differ and only a restart applies. */
  readonly needRestart: readonly string[];
}

export interface Server {
  /**
   * Opens the database, constructs the modules, restores presence, then listens. When anything fails, everything is let go of.
   *
   * @throws ModulesError, ConfigError, PortError, or Node's error for a listener
   */
  start(): Promise<void>;
  /** Stops in the reverse order, each part within its time. Never rejects; idempotent. */
  stop(): Promise<void>;
  /** Lets go of sockets and files without saving anything: what is left is what a crash leaves. For tests. */
  abandon(): Promise<void>;
  /**
   * Takes over what a running server can of a changed configuration.
   *
   * @throws ConfigError for TLS files and the admin token's; then everything stays as it is
   */
  reload(config: Config): ReloadReport;
  readonly logger: Logger;
  /** Empty before `start` and after `stop`. */
  readonly addresses: readonly ServerAddress[];
}
