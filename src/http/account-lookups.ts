/**
 * The accounts as modules may look at them.
 */
import type { Accounts } from '../homeserver/accounts/index.ts';
import { MatrixError } from '../matrix/errors.ts';
import { isUserId } from '../matrix/identifiers.ts';
import type { AccountLookups } from '../router-host/module-services.ts';
import { accessTokenOf } from './headers.ts';

export function createAccountLookups(accounts: Accounts, serverName: string): AccountLookups {
  return {
    getUserinfoById: async (id) => {
      const user = await accounts.sessions.findUser(id);
      if (user === null) return null;
      const { userId, isAdmin, isDeactivated, creationTs } = user;
      return { userId, isAdmin, isDeactivated, creationTs };
    },
    getProfileForUser: async (localpart) => {
      const userId = `@${localpart}:${serverName}`;
      if (!isUserId(userId)) return { displayName: null, avatarUrl: null };
      const { displayname, avatarUrl } = await accounts.profiles.profileOf(userId);
      return { displayName: displayname, avatarUrl };
    },
    getUserByReq: async (request) => {
      const accessToken = accessTokenOf([...request.headers].flat(), request.url);
      if (accessToken === null) throw new MatrixError(401, 'M_MISSING_TOKEN', 'Missing access token');
      const { userId, deviceId, isAdmin } = await accounts.authenticator.authenticate(accessToken, { ip: '' });
      return { userId, deviceId, isAdmin };
    },
  };
}
