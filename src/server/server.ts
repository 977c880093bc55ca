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

/** What runs from now on, in the order of the configuration. */
export interface ModulesReloadReport {
  readonly modules: readonly {
    /** What logs and metrics call it. */
    readonly name: string;
    /** As the configuration spells it. */
    readonly module: string;
    /** Where it was found. */
    readonly file: string;
  }[];
  /** Until the new ones were asked, in ms. */
  readonly tookMs: number;
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
  /**
   * Loads the modules of the configuration that was read last, with all their files, and puts them in the place of those that run. Resolves
   * when what differs in who sees whom is delivered. Asked for while one is under way, there is one more after it.
   *
   * @throws ModulesError that says what is wrong: those that run stay
   */
  reloadModules(): Promise<ModulesReloadReport>;
  /** Absolute paths of the files that modules were read from last, in good order or not. Without packages. */
  readonly moduleFiles: readonly string[];
  readonly logger: Logger;
  /** Empty before `start` and after `stop`. */
  readonly addresses: readonly ServerAddress[];
}
