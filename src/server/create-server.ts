/**
 * The composition root: the one place that knows every adapter and puts the parts together, stage by stage.
 *
 * Start: modules' files, database, presence, modules' constructors, then listeners; a stop goes back the same way.
 */
import { createLogging } from '../adapters/logging/pino-logger.ts';
import { createPrometheusMetrics } from '../adapters/metrics/prometheus-metrics.ts';
import { createSystemClock } from '../adapters/system-clock.ts';
import type { Config } from '../config/config.ts';
import type { HttpServer } from '../http/http-server.ts';
import { loadConfiguredModules } from './load-configured-modules.ts';
import { moduleCacheDir } from './module-cache-dir.ts';
import { openStorage } from './open-storage.ts';
import { createReleases } from './releases.ts';
import { applyReload } from './reload-config.ts';
import type { Server, ServerOverrides } from './server.ts';
import { startHttp } from './start-http.ts';

/** Makes a server; nothing is opened until `start`. */
export function createServer(config: Config, overrides: ServerOverrides = {}): Server {
  const logging = overrides.logger === undefined ? createLogging(config.log) : null;
  const logger = overrides.logger ?? (logging as NonNullable<typeof logging>).logger;
  const metrics = overrides.metrics ?? createPrometheusMetrics({ serverName: config.serverName });
  const clock = overrides.clock ?? createSystemClock();
  const releases = createReleases(logger);
  let current = config;
  let http: HttpServer | null = null;
  let database: { close(): void } | null = null;
  void clock;

  async function open(): Promise<void> {
    await loadConfiguredModules(config, moduleCacheDir(config, overrides));
    const storage = openStorage(config.database, logger, releases);
    database = storage.database;
    http = await startHttp({ config, logger, metrics, routes: [] }, releases);
  }

  return {
    logger,
    get addresses() {
      return http?.addresses ?? [];
    },
    start: async () => {
      try {
        await open();
      } catch (error) {
        await releases.releaseAll();
        throw error;
      }
      logger.info({ serverName: config.serverName }, 'server started');
    },
    stop: async () => {
      await releases.releaseAll();
      http = null;
      logger.info({}, 'server stopped');
    },
    abandon: async () => {
      await http?.close(0);
      database?.close();
    },
    reload: (next) => {
      const report = applyReload(current, next, {
        setLogLevel: (level) => logging?.setLevel(level),
        setRateLimits: () => undefined,
        setMaxRequestSize: (maxRequestBytes) => http?.setLimits({ maxRequestBytes }),
        setTls: (material) => http?.setTls(material),
      });
      current = next;
      return report;
    },
  };
}
