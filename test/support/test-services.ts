/** What a server gives the router host, as mocks. */
import { vi } from 'vitest';
import type { AccountLookups, ModuleServices, PresenceOperations } from '../../src/router-host/module-services.ts';

export function createTestServices(more: Partial<ModuleServices> = {}) {
  const presence = {
    sendLocalOnlinePresenceTo: vi.fn<PresenceOperations['sendLocalOnlinePresenceTo']>(async () => undefined),
    setPresenceForUsers: vi.fn<PresenceOperations['setPresenceForUsers']>(async () => undefined),
    invalidateInterestedUsers: vi.fn<PresenceOperations['invalidateInterestedUsers']>(() => undefined),
    invalidateUsersForStates: vi.fn<PresenceOperations['invalidateUsersForStates']>(() => undefined),
    invalidateRestrictions: vi.fn<PresenceOperations['invalidateRestrictions']>(() => undefined),
  };
  const services: ModuleServices = {
    serverName: 'test',
    publicBaseurl: 'https://test/',
    workerName: null,
    runsBackgroundTasks: true,
    presence,
    accounts: null,
    ...more,
  };
  return { presence, services };
}

export const testAccounts: AccountLookups = {
  getUserinfoById: async (userId) =>
    userId === '@alice:test' ? { userId, isAdmin: true, isDeactivated: false, creationTs: 5 } : null,
  getProfileForUser: async (localpart) => ({ displayName: localpart.toUpperCase(), avatarUrl: null }),
  getUserByReq: async () => ({ userId: '@alice:test', deviceId: 'D', isAdmin: true }),
};
