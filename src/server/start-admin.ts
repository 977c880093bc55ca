/**
 * The admin API, if a listener has the resource `admin`: its token, which is read before anything is opened, and its routes.
 */
import { adminApiRoutes, AdminGate } from '../http/admin-api/index.ts';
import type { Route } from '../http/route.ts';
import type { TrafficArchive } from '../ports/traffic-tap.ts';
import type { PresenceHandler } from '../presence/index.ts';
import type { ModuleHost } from '../router-host/index.ts';
import type { Homeserver } from './build-homeserver.ts';
import { makeAdminToken, readAdminToken } from './admin-token.ts';
import type { Foundation } from './foundation.ts';
import { readVersion } from './read-version.ts';
import { reloadOnRequest } from './reload-on-request.ts';
import type { Server } from './server.ts';

export interface AdminParts {
  readonly presence: PresenceHandler;
  readonly homeserver: Homeserver;
  readonly modules: ModuleHost;
  readonly server: Pick<Server, 'reload' | 'reloadModules' | 'logger'>;
  /** Null when nothing is recorded. */
  readonly traffic: TrafficArchive | null;
}

export interface AdminApi {
  routes(parts: AdminParts): readonly Route[];
  /** Returns whether it is another one than before. */
  setToken(token: string): boolean;
}

/** Null if no listener has it. @throws ConfigError for the token's file */
export function prepareAdmin({ clock, config, logger, metrics }: Foundation): AdminApi | null {
  const { adminApi } = config;
  if (adminApi === null) return null;
  if (makeAdminToken(adminApi)) {
    logger.info({ file: adminApi.tokenPath }, 'a token for the admin API has been made');
  }
  const gate = new AdminGate({ token: readAdminToken(adminApi), clock, metrics });
  const startedTs = clock.now();
  return {
    routes: ({ presence, homeserver, modules, server, traffic }) => {
      const { sessions } = homeserver.accounts;
      return adminApiRoutes(
        {
          presence,
          modules,
          reloadModules: () => reloadOnRequest(config, server),
          traffic,
          rooms: homeserver.rooms.names,
          hasAccount: async (userId) => (await sessions.findUser(userId)) !== null,
          serverName: config.serverName,
          version: readVersion(),
          startedTs,
          clock,
        },
        gate,
      );
    },
    setToken: (token) => gate.setToken(token),
  };
}
