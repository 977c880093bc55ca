/**
 * Last stage of a start: the listeners. Nobody is let in before everything behind them is ready.
 */
import { SyncFilters } from '../homeserver/sync/filters.ts';
import { registerSyncMetrics } from '../homeserver/sync/sync-metrics.ts';
import { SyncService } from '../homeserver/sync/sync-service.ts';
import { clientApiRoutes } from '../http/client-api/index.ts';
import { createHttpServer, type HttpServer } from '../http/http-server.ts';
import { wellKnownServer } from '../http/federation-api/index.ts';
import type { Route } from '../http/route.ts';
import type { RateLimits } from '../http/rate-limits.ts';
import type { PresenceHandler } from '../presence/index.ts';
import type { ModuleHost } from '../router-host/index.ts';
import type { Homeserver } from './build-homeserver.ts';
import type { Foundation } from './foundation.ts';
import { readTls } from './read-tls.ts';

export interface HttpParts {
  readonly homeserver: Homeserver;
  readonly presence: PresenceHandler;
  readonly modules: ModuleHost;
  readonly limits: RateLimits;
  /** What other servers may ask, and administrators. */
  readonly otherRoutes: readonly Route[];
}

/** How long requests in flight may take to finish when the server stops. */
const CLOSE_GRACE_MS = 4000;

/** @throws Node's error for the first address that cannot be listened at, ConfigError for TLS files */
export async function startHttp(foundation: Foundation, parts: HttpParts): Promise<HttpServer> {
  const { clock, config, logger, metrics, releases } = foundation;
  const { homeserver, presence, modules, limits, otherRoutes } = parts;
  const { accounts, rooms, notifier } = homeserver;
  const { maxConnections } = config.limits;

  const sync = new SyncService({
    clock,
    presence,
    notifier,
    rooms: rooms.sync,
    accounts: accounts.accountData,
    includeOfflineUsers: config.presence.includeOfflineUsersOnSync,
  });
  const syncFilters = new SyncFilters(accounts.accountData);
  registerSyncMetrics(metrics, { notifier, syncFilters });
  const http = createHttpServer({
    listeners: config.listeners,
    routes: [
      ...otherRoutes,
      ...(config.serveServerWellknown ? [wellKnownServer(config)] : []),
      ...clientApiRoutes({
        accounts,
        rooms,
        presence,
        sync,
        syncFilters,
        limits,
        serverName: config.serverName,
        publicBaseurl: config.publicBaseurl,
        registrationEnabled: config.registration.enabled,
        busyEnabled: config.presence.busyEnabled,
        maxStatusMsgBytes: config.presence.maxStatusMsgBytes,
        onActivity: (userId, deviceId) => {
          presence.bumpPresenceActiveTime(userId, deviceId);
        },
      }),
    ],
    authenticate: (token, from) => accounts.authenticator.authenticate(token, from),
    webResources: modules.webResources,
    limits: { maxRequestBytes: config.maxRequestSize },
    metrics,
    logger,
    ...(config.tls === null ? {} : { tls: readTls(config.tls) }),
    ...(maxConnections === null ? {} : { maxConnections }),
  });
  accounts.onDeviceRemoved((userId, deviceId) => {
    http.endRequestsOf(userId, deviceId);
  });
  releases.add('listeners', () => http.close(CLOSE_GRACE_MS), CLOSE_GRACE_MS + 1000);
  await http.listen();
  for (const { address, port, protocol, resources } of http.addresses) {
    logger.info({ address, port, protocol, resources }, 'listening');
  }
  return http;
}
