/**
 * The composition root: the one place that knows every adapter and puts the parts together, stage by stage.
 *
 * Start: modules' files, database, homeserver, federation, presence, modules' constructors, listeners. A stop goes back the same way, and so
 * does a start that fails.
 */
import { isPrettyFormat } from '../adapters/logging/pino-logger.ts';
import type { Config } from '../config/config.ts';
import type { HttpServer } from '../http/http-server.ts';
import { createRateLimits } from '../http/rate-limits.ts';
import { ModuleHost } from '../router-host/index.ts';
import { buildHomeserver } from './build-homeserver.ts';
import { constructModules, createModuleServices } from './construct-modules.ts';
import { createFoundation } from './foundation.ts';
import { loadConfiguredModules } from './load-configured-modules.ts';
import { moduleCacheDir } from './module-cache-dir.ts';
import { ModuleReloader } from './module-reloader.ts';
import { ModulesError } from './modules-error.ts';
import { openStorage } from './open-storage.ts';
import { applyReload, logReload } from './reload-config.ts';
import type { Server, ServerOverrides } from './server.ts';
import { type AdminApi, prepareAdmin } from './start-admin.ts';
import { prepareFederation } from './start-federation.ts';
import { startHttp } from './start-http.ts';
import { startPresence } from './start-presence.ts';
import { startRecording } from './start-recording.ts';

/** What is let go of without saving, last taken first, by `abandon`. */
interface Crashable {
  http: HttpServer | null;
  database: { close(): void } | null;
}

/** Makes a server; nothing is opened until `start`. */
export function createServer(config: Config, overrides: ServerOverrides = {}): Server {
  const foundation = createFoundation(config, overrides);
  const { clock, logger, metrics, releases } = foundation;
  const limits = createRateLimits(config.rateLimits, clock);
  const open: Crashable = { http: null, database: null };
  let current = config;
  let moduleFiles: readonly string[] = [];
  let reloader: ModuleReloader | null = null;
  let admin: AdminApi | null = null;

  async function openAll(): Promise<void> {
    admin = prepareAdmin(foundation);
    const cacheDir = moduleCacheDir(config, overrides);
    const noteFiles = (files: readonly string[]): void => {
      moduleFiles = files;
    };
    const modules = await loadConfiguredModules(config, cacheDir, noteFiles);
    const storage = openStorage(config.database, logger, releases);
    open.database = storage.database;
    const homeserver = await buildHomeserver(foundation, storage);
    // A clock that a test moves knows nothing of a process that is held up.
    const watchdog = overrides.clock === undefined ? { fd: 1, pretty: isPrettyFormat(config.log.format) } : null;
    const host = new ModuleHost({ clock, logger, metrics, watchdog });
    // What they keep back must not have left before they are constructed.
    if (modules.length > 0) host.router.awaitModules();
    const federation = prepareFederation(foundation, storage, homeserver);
    const traffic = await startRecording(foundation);
    const presence = await startPresence(foundation, storage, homeserver, host.router, federation.transport, traffic);
    const services = createModuleServices(foundation, { presence, accounts: homeserver.accounts });
    await constructModules(foundation, host, modules, services);
    reloader = new ModuleReloader({
      config: () => current,
      cacheDir,
      host,
      services,
      presence,
      noteFiles,
      logger,
      metrics,
    });
    presence.routeUnanswered();
    const federationRoutes = await federation.connect(presence);
    const adminRoutes = admin?.routes({ presence, homeserver, modules: host, server, traffic }) ?? [];
    const otherRoutes = [...federationRoutes, ...adminRoutes];
    open.http = await startHttp(foundation, { homeserver, presence, modules: host, limits, otherRoutes });
  }

  const reloadModules: Server['reloadModules'] = async () => {
    if (reloader === null) throw new ModulesError([new Error('the server is not running')]);
    return reloader.reload();
  };

  const server: Server = {
    logger,
    get addresses() {
      return open.http?.addresses ?? [];
    },
    get moduleFiles() {
      return moduleFiles;
    },
    reloadModules,
    start: async () => {
      try {
        await openAll();
      } catch (error) {
        await releases.releaseAll();
        throw error;
      }
      logger.info({ serverName: config.serverName }, 'server started');
    },
    stop: async () => {
      reloader = null;
      await releases.releaseAll();
      open.http = null;
      logger.info({}, 'server stopped');
    },
    abandon: async () => {
      open.database?.close();
      await open.http?.close(0);
    },
    reload: (next) => {
      const report = applyReload(config, current, next, {
        setLogLevel: foundation.setLogLevel,
        setRateLimits: (next) => limits.setLimits(next),
        setMaxRequestSize: (maxRequestBytes) => open.http?.setLimits({ maxRequestBytes }),
        setTls: (material) => open.http?.setTls(material),
        setAdminToken: (token) => admin?.setToken(token) ?? false,
      });
      current = next;
      logReload(report, logger);
      return report;
    },
  };
  return server;
}
