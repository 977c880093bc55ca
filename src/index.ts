/**
 * The public entry of the package `thalamus`: a whole server from a configuration, or its parts to put together otherwise.
 *
 * Re-exports only; every name here is part of the public API. The engine alone is `thalamus/core`, the ports are `thalamus/ports`, and what
 * module authors need is `thalamus/module`.
 */
export type { Config, ListenerConfig, ModuleConfig } from './config/config.ts';
export { loadConfig } from './config/load-config.ts';
export { type LoadedConfig, parseConfig, type ParseOptions } from './config/parse-config.ts';
export { ConfigFileError, formatProblem, type Problem } from './config/problems.ts';
export { writeConfig, type SampleOptions } from './config/write-config.ts';
export { ConfigError, NotSupportedError, PresenceError } from './errors.ts';
export { createServer } from './server/create-server.ts';
export { ModulesError } from './server/modules-error.ts';
export type { ReloadReport, Server, ServerAddress, ServerOverrides } from './server/server.ts';

// The engine.
export type * from './core/engine-api.ts';
export { PresenceEngine } from './core/presence-engine.ts';
export type { UserPresenceState } from './core/user-presence-state.ts';

// The presence service: the engine with a store, a clock and routers.
export {
  type BeginSyncOptions,
  createPresenceHandler,
  DEFAULT_LIMITS,
  DEFAULT_TIMERS,
  type PresenceEntry,
  type PresenceHandler,
  type PresenceParts,
  type PresenceSettings,
  type SyncSession,
} from './presence/index.ts';

// The router host.
export {
  type LoadedModule,
  loadModules,
  type LoadModulesOptions,
  ModuleHost,
  type ModuleHostOptions,
  ModuleLoadError,
  type ModuleServices,
  type Router,
} from './router-host/index.ts';

// The ports, and adapters for them.
export { createLogging, type Logging, type LoggingOptions } from './adapters/logging/pino-logger.ts';
export { createPrometheusMetrics, type PrometheusOptions } from './adapters/metrics/prometheus-metrics.ts';
export { createSystemClock } from './adapters/system-clock.ts';
export { type Database, openDatabase, type OpenDatabaseOptions } from './adapters/sqlite/database.ts';
export { SqlitePresenceStore } from './adapters/sqlite/presence-store.ts';
export type { Clock, Timer } from './ports/clock.ts';
export { PortError } from './ports/errors.ts';
export type { FederationTransport } from './ports/federation-transport.ts';
export type { LogFields, Logger } from './ports/logger.ts';
export type { Metrics } from './ports/metrics.ts';
export type { PresenceStore, RoutedAnswer, StoredPresence } from './ports/presence-store.ts';
export type { MembershipChange, RoomDirectory } from './ports/room-directory.ts';

// The vocabulary.
export { MatrixError } from './matrix/errors.ts';
export { isServerName, isUserId, localpartOf, serverNameOf } from './matrix/identifiers.ts';
export type { DeviceId, RoomId, ServerName, UserId } from './matrix/identifiers.ts';
export { isPresenceState, PresenceState } from './matrix/presence-state.ts';
