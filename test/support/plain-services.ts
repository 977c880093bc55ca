/** What a server gives the router host, doing nothing: for processes without a test runner in them. */
import type { ModuleServices } from '../../src/router-host/module-services.ts';

export function createPlainServices(): ModuleServices {
  return {
    serverName: 'test',
    publicBaseurl: 'https://test/',
    workerName: null,
    runsBackgroundTasks: true,
    presence: {
      sendLocalOnlinePresenceTo: async () => undefined,
      setPresenceForUsers: async () => undefined,
      invalidateInterestedUsers: () => undefined,
      invalidateUsersForStates: () => undefined,
      invalidateRestrictions: () => undefined,
    },
    accounts: null,
  };
}
