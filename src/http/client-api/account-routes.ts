/**
 * The operations about accounts, together, in the order of the specification's chapters.
 */
import type { Accounts } from '../../homeserver/accounts/index.ts';
import type { RateLimits } from '../rate-limits.ts';
import type { Route } from '../route.ts';
import { account } from './account.ts';
import { accountData } from './accountData.ts';
import { adminRegister } from './adminRegister.ts';
import { devices } from './devices.ts';
import { filters } from './filters.ts';
import { getCapabilities } from './getCapabilities.ts';
import { getTokenOwner } from './getTokenOwner.ts';
import { getTurnServer } from './getTurnServer.ts';
import { getVersions } from './getVersions.ts';
import { getWellknown } from './getWellknown.ts';
import { login } from './login.ts';
import { logout } from './logout.ts';
import { profile } from './profile.ts';
import { pushRules } from './pushRules.ts';
import { register } from './register.ts';

export interface AccountRoutesServices {
  readonly accounts: Accounts;
  readonly limits: Pick<RateLimits, 'loginAddressLimit' | 'loginAccountLimit' | 'failedAttempts' | 'registrationLimit'>;
  readonly publicBaseurl: string;
  readonly registrationEnabled: boolean;
  /** `experimental_features.msc3026_enabled`. */
  readonly busyEnabled: boolean;
}

export function accountRoutes(services: AccountRoutesServices): Route[] {
  const { accounts, limits, publicBaseurl, registrationEnabled, busyEnabled } = services;
  const withLimits = { ...accounts, ...limits };
  return [
    getVersions({ busyEnabled }),
    getWellknown({ publicBaseurl }),
    ...login(withLimits),
    ...logout(accounts),
    ...register({ ...withLimits, registrationEnabled }),
    ...adminRegister(accounts),
    ...account(withLimits),
    getTokenOwner(),
    getCapabilities(),
    ...filters(accounts),
    ...profile(accounts),
    getTurnServer(),
    ...devices(withLimits),
    ...accountData(accounts),
    ...pushRules(accounts),
  ];
}
