/**
 * The composition root: the one place that knows every adapter and puts the parts together, stage by stage.
 *
 * Start: database, modules' files, presence, modules' constructors, then listeners; a stop goes back the same way.
 */
import { createLogging } from '../adapters/logging/pino-logger.ts';
import { createPrometheusMetrics } from '../adapters/metrics/prometheus-metrics.ts';
import { createSystemClock } from '../adapters/system-clock.ts';
import type { Config } from '../config/config.ts';
import type { HttpServer } from '../http/http-server.ts';
import { openStorage } from './open-storage.ts';
import { createReleases } from './releases.ts';
import type { Server, ServerOverrides } from './server.ts';
import { startHttp } from './start-http.ts';

/** Makes a server; nothing is opened until `start`. */
export function createServer(config: Config, overrides: ServerOverrides = {}): Server {
  const logger = overrides.logger ?? createLogging(config.log).logger;
  const metrics = overrides.metrics ?? createPrometheusMetrics({ serverName: config.serverName });
  const clock = overrides.clock ?? createSystemClock();
  const releases = createReleases(logger);
  let http: HttpServer | null = null;
  let database: { close(): void } | null = null;
  void clock;

  async function open(): Promise<void> {
    const storage = openStorage(config.database, logger, releases);
    database = storage.database;
    http = await startHttp({ config, logger, metrics, routes: [] }, releases);
  }

  return {
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
  };
}
