/**
 * The accounts of a standalone server, put together: everything the composition root and the HTTP operations need.
 */
import type { DeviceId, UserId } from '../../matrix/identifiers.ts';
import type { AccountStore } from '../../ports/account-store.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import { AccountData } from './account-data.ts';
import { AccountEvents } from './account-events.ts';
import { Authenticator } from './authenticator.ts';
import { Devices } from './devices.ts';
import { PasswordHasher, type PasswordHasherOptions } from './password-hasher.ts';
import { Profiles } from './profiles.ts';
import { UserPushRules } from './push-rules/user-push-rules.ts';
import { Sessions } from './sessions.ts';
import { SharedSecretRegistration } from './shared-secret-registration.ts';

export interface AccountsOptions {
  readonly store: AccountStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly serverName: string;
  /** `registration_shared_secret`; null switches that way of registering off. */
  readonly sharedSecret: string | null;
  /** Sessions kept in memory. @default 50,000 */
  readonly maxSessions?: number;
  /** @default 500 */
  readonly maxDevicesPerUser?: number;
  readonly passwords?: PasswordHasherOptions;
}

export interface Accounts {
  readonly sessions: Sessions;
  readonly authenticator: Authenticator;
  readonly devices: Devices;
  readonly profiles: Profiles;
  readonly accountData: AccountData;
  readonly pushRules: UserPushRules;
  readonly sharedSecret: SharedSecretRegistration;
  readonly events: AccountEvents;
  /** Tells of every device that is gone, whatever the reason: its presence ends. */
  onDeviceRemoved(listener: (userId: UserId, deviceId: DeviceId) => unknown): Disposable;
  onUserDeactivated(listener: (userId: UserId) => unknown): Disposable;
  /** Writes what is only in memory. Call it before the database is closed. */
  stop(): Promise<void>;
}

export function createAccounts(options: AccountsOptions): Accounts {
  const { store, clock, logger, serverName, maxSessions, maxDevicesPerUser } = options;
  const events = new AccountEvents(logger);
  const authenticator = new Authenticator({
    store,
    clock,
    logger,
    ...(maxSessions === undefined ? {} : { maxSessions }),
  });
  const devices = new Devices({ store, authenticator, events });
  const accountData = new AccountData(store, events);
  return {
    sessions: new Sessions({
      store,
      clock,
      serverName,
      hasher: new PasswordHasher(options.passwords),
      authenticator,
      devices,
      ...(maxDevicesPerUser === undefined ? {} : { maxDevicesPerUser }),
    }),
    authenticator,
    devices,
    profiles: new Profiles(store, events),
    accountData,
    pushRules: new UserPushRules(accountData),
    sharedSecret: new SharedSecretRegistration(options.sharedSecret, clock),
    events,
    onDeviceRemoved: (listener) => events.on('deviceRemoved', listener),
    onUserDeactivated: (listener) => events.on('userDeactivated', listener),
    stop: () => authenticator.flush(),
  };
}
