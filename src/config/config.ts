/**
 * The configuration as the server uses it: names in camelCase, durations in milliseconds, sizes in bytes, paths absolute.
 *
 * Only `server` and `cli` read it; every other part gets its own small options. Deep-frozen.
 */
import type { RoomId, ServerName } from '../matrix/identifiers.ts';
import type { ConfigPath } from './problems.ts';

export interface Config {
  /** Absolute path of the file, and of its folder. */
  readonly file: string;
  readonly dir: string;
  readonly serverName: ServerName;
  readonly publicBaseurl: string;
  /** Those that are opened; at least one. */
  readonly listeners: readonly ListenerConfig[];
  /** Null if no listener uses TLS. */
  readonly tls: { readonly certificatePath: string; readonly privateKeyPath: string } | null;
  readonly database: DatabaseConfig;
  readonly presence: PresenceConfig;
  /** Null: nothing is recorded. */
  readonly recordTraffic: RecordTrafficConfig | null;
  readonly modules: readonly ModuleConfig[];
  readonly registration: {
    readonly enabled: boolean;
    /** Null if registration by shared secret is off. */
    readonly sharedSecret: string | null;
  };
  readonly rateLimits: RateLimits;
  /** Null if no listener has the resource `admin`. */
  readonly adminApi: AdminApiConfig | null;
  /** Null if no listener has the resource `federation`: nothing is sent to other servers then, and nothing taken from them. */
  readonly federation: FederationConfig | null;
  /** Whether `/.well-known/matrix/server` is served. */
  readonly serveServerWellknown: boolean;
  readonly maxRequestSize: number;
  readonly log: { readonly level: LogLevel; readonly format: 'auto' | 'pretty' | 'json' };
  readonly limits: {
    readonly maxPendingUpdatesPerObserver: number;
    readonly maxRoutedUsersPerUpdate: number;
    /** Null: as many as the process may open. */
    readonly maxConnections: number | null;
  };
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export type ResourceName = 'client' | 'federation' | 'metrics' | 'health' | 'admin';

export interface ListenerConfig {
  readonly port: number;
  readonly bindAddresses: readonly string[];
  readonly tls: boolean;
  readonly xForwarded: boolean;
  /** Sorted, each once; `health` is always among them. */
  readonly resources: readonly ResourceName[];
}

/** At least one of the two is not null. */
export interface AdminApiConfig {
  /** Of the environment: wins over the file. */
  readonly token: string | null;
  /** Absolute. */
  readonly tokenPath: string | null;
}

export interface DatabaseConfig {
  /** Absolute, or `:memory:`. */
  readonly path: string;
  readonly busyTimeoutMs: number;
  readonly maxPageCount: number | null;
}

export interface RecordTrafficConfig {
  /** Absolute. */
  readonly path: string;
  /** Of one file, in bytes. */
  readonly maxSize: number;
  /** Older files that stay beside it. */
  readonly keep: number;
}

export interface PresenceConfig {
  readonly mode: 'tracked' | 'untracked' | 'disabled';
  readonly includeOfflineUsersOnSync: boolean;
  readonly tellOfflineOnLoss: boolean;
  readonly lastActiveGranularityMs: number;
  readonly syncOnlineTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly maxStatusMsgBytes: number;
  readonly excludedRooms: readonly RoomId[];
  /** Whether clients can be busy (MSC3026). */
  readonly busyEnabled: boolean;
}

export interface ModuleConfig {
  /** The name given, or null: then its position tells it apart. */
  readonly name: string | null;
  /** As written: a file relative to `Config.dir`, or a package; `#Export` behind it. */
  readonly module: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly callbacks: {
    readonly timeoutMs: number;
    readonly failuresBeforeRest: number;
    readonly restMs: number;
    readonly maxEntries: number;
    readonly onFailure: 'deny' | 'allow';
  };
  /** Where the entry stands in the file: `['modules', 0]`, or `['presence', 'presence_router']`. */
  readonly path: ConfigPath;
}

export interface RateLimit {
  readonly perSecond: number;
  readonly burstCount: number;
}

export interface RateLimits {
  readonly presencePerUser: RateLimit;
  readonly loginAddress: RateLimit;
  readonly loginAccount: RateLimit;
  readonly loginFailedAttempts: RateLimit;
  readonly registration: RateLimit;
}

export interface FederationConfig {
  /** Absolute. */
  readonly signingKeyPath: string;
  readonly oldSigningKeys: readonly {
    readonly keyId: string;
    readonly publicKey: string;
    readonly expiredTs: number;
  }[];
  readonly keyRefreshIntervalMs: number;
  readonly trustedKeyServers: readonly {
    readonly serverName: ServerName;
    /** By key id, unpadded base64; null: its answers are believed if TLS is. */
    readonly verifyKeys: Readonly<Record<string, string>> | null;
    readonly acceptKeysInsecurely: boolean;
  }[];
  /** Null: all. */
  readonly domainWhitelist: readonly ServerName[] | null;
  readonly verifyCertificates: boolean;
  /** Names, in which `*` stands for anything. */
  readonly certificateVerificationWhitelist: readonly string[];
  /** PEM, instead of the system's; null: the system's. */
  readonly customCas: readonly string[] | null;
  readonly ipRangeBlacklist: readonly string[];
  readonly ipRangeWhitelist: readonly string[];
  /** `address` or `address:port`; null: the system's. */
  readonly dnsServers: readonly string[] | null;
  readonly client: {
    readonly timeoutMs: number;
    readonly maxLongRetryDelayMs: number;
    readonly maxLongRetries: number;
  };
  readonly destinations: {
    readonly minRetryIntervalMs: number;
    readonly retryMultiplier: number;
    readonly maxRetryIntervalMs: number;
    /** Of servers that get the same update, so many are woken per second. */
    readonly wakesPerSecond: number;
  };
  readonly rateLimit: FederationRateLimit;
  readonly presence: {
    readonly coalescingWindowMs: number;
    readonly keepAliveSpreadMs: number;
    readonly maxDestinations: number;
    readonly maxStatesPerDestination: number;
    readonly maxConcurrentTransactions: number;
    readonly maxUsersPerServer: number;
    readonly maxUsers: number;
    readonly maxStrangersPerServer: number;
    readonly maxStrangers: number;
    readonly strangersAskedPerSecondAndServer: number;
    readonly strangersAskedPerSecond: number;
  };
}

/** `rc_federation`, per origin. */
export interface FederationRateLimit {
  readonly windowMs: number;
  readonly sleepLimit: number;
  readonly sleepDelayMs: number;
  readonly rejectLimit: number;
  readonly concurrent: number;
}
