/**
 * Fifth stage of a start: the modules' constructors, in the order of the list, before anybody is let in.
 */
import { accessTokenOf } from '../http/headers.ts';
import type { Accounts } from '../homeserver/accounts/index.ts';
import { MatrixError } from '../matrix/errors.ts';
import type { UserId } from '../matrix/identifiers.ts';
import type { PresenceHandler } from '../presence/index.ts';
import type { AccountLookups, LoadedModule, ModuleHost, ModuleServices } from '../router-host/index.ts';
import type { Foundation } from './foundation.ts';

/** @throws ModuleLoadError for the first module that cannot be constructed */
export async function constructModules(
  { releases }: Foundation,
  host: ModuleHost,
  modules: readonly LoadedModule[],
  services: ModuleServices,
): Promise<void> {
  releases.add('modules', () => host.stop(), STOP_TIMEOUT_MS);
  await host.construct(modules, services);
}

/** What modules are given of the server: those of the start, and those that are loaded later. */
export function createModuleServices(
  { config }: Foundation,
  { presence, accounts }: { readonly presence: PresenceHandler; readonly accounts: Accounts },
): ModuleServices {
  return {
    serverName: config.serverName,
    publicBaseurl: config.publicBaseurl,
    workerName: null,
    runsBackgroundTasks: true,
    presence,
    accounts: createAccountLookups(accounts, config.serverName),
  };
}

/** Each module has its own, shorter, time inside the host. */
const STOP_TIMEOUT_MS = 30_000;

function createAccountLookups(accounts: Accounts, serverName: string): AccountLookups {
  return {
    getUserinfoById: async (userId) => {
      const user = await accounts.sessions.findUser(userId);
      if (user === null) return null;
      const { isAdmin, isDeactivated, creationTs } = user;
      return { userId: user.userId, isAdmin, isDeactivated, creationTs };
    },
    getProfileForUser: async (localpart) => {
      const userId: UserId = `@${localpart}:${serverName}`;
      const { displayname, avatarUrl } = await accounts.profiles.profileOf(userId);
      return { displayName: displayname, avatarUrl };
    },
    getUserByReq: async (request) => {
      const authorization = request.headers.get('authorization');
      const token = accessTokenOf(authorization === null ? [] : ['authorization', authorization], request.url);
      if (token === null) throw new MatrixError(401, 'M_MISSING_TOKEN', 'The request has no access token');
      const { userId, deviceId, isAdmin } = await accounts.authenticator.authenticate(token, { ip: '' });
      return { userId, deviceId, isAdmin };
    },
  };
}
