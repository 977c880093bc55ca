/**
 * The accounts of a scenario, as modules look them up.
 */
import type { AccountLookups } from '../router-host/index.ts';
import type { Scenario } from './scenario.ts';

export function createAccountLookups({
  accounts,
  serverName,
}: Pick<Scenario, 'accounts' | 'serverName'>): AccountLookups {
  return {
    getUserinfoById: async (userId) => {
      const account = accounts.get(userId);
      return account === undefined
        ? null
        : { userId, isAdmin: account.isAdmin, isDeactivated: false, creationTs: Date.UTC(2026, 0, 1) };
    },
    getProfileForUser: async (localpart) => {
      return { displayName: accounts.get(`@${localpart}:${serverName}`)?.displayName ?? null, avatarUrl: null };
    },
    getUserByReq: async () => {
      throw Object.assign(new Error('A scenario has no access tokens'), {
        httpStatus: 401,
        errcode: 'M_MISSING_TOKEN',
      });
    },
  };
}
