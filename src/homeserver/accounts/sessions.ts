/**
 * Accounts and logins: making a user, proving a password, and giving a device its token.
 *
 * Rate limits and interactive authentication belong to the HTTP side. Errors are those of the specification's register
 * and login.
 */
import { MatrixError } from '../../matrix/errors.ts';
import type { DeviceId, UserId } from '../../matrix/identifiers.ts';
import type { AccountStore, NewSession, StoredUser } from '../../ports/account-store.ts';
import type { Clock } from '../../ports/clock.ts';
import { hashAccessToken, makeAccessToken, makeDeviceId } from './access-tokens.ts';
import type { Authenticator } from './authenticator.ts';
import type { Devices } from './devices.ts';
import type { PasswordHasher } from './password-hasher.ts';
import { candidateUserIds, newUserId, randomLocalpart } from './usernames.ts';

export interface SessionsOptions {
  readonly store: AccountStore;
  readonly clock: Clock;
  readonly serverName: string;
  readonly hasher: PasswordHasher;
  readonly authenticator: Authenticator;
  readonly devices: Devices;
  /** Devices of one user; one more ends the one not seen for longest. @default 500 */
  readonly maxDevicesPerUser?: number;
}

export interface NewAccount {
  /** Null: the server chooses. */
  readonly username: string | null;
  /** Null: nobody can log in with a password. */
  readonly password: string | null;
  readonly isAdmin?: boolean;
  readonly userType?: string | null;
  /** @default the localpart */
  readonly displayname?: string | null;
  /** Null: the account is made without logging in. */
  readonly device: DeviceRequest | null;
}

export interface DeviceRequest {
  /** Null: a new device. */
  readonly deviceId: DeviceId | null;
  /** The name of a device that is new. */
  readonly displayName: string | null;
}

export interface Login {
  readonly userId: UserId;
  readonly deviceId: DeviceId;
  readonly accessToken: string;
}

const MAX_PASSWORD_LENGTH = 512;

export class Sessions {
  readonly #options: SessionsOptions;

  constructor(options: SessionsOptions) {
    this.#options = options;
  }

  /** @throws MatrixError 400 `M_INVALID_USERNAME`, `M_USER_IN_USE` */
  async checkAvailable(username: string): Promise<UserId> {
    const userId = newUserId(username, this.#options.serverName);
    if ((await this.#options.store.findUser(userId)) !== null) throw inUse();
    return userId;
  }

  /** @throws MatrixError 400 `M_INVALID_USERNAME`, `M_USER_IN_USE`, `M_WEAK_PASSWORD`, `M_INVALID_PARAM` */
  async register(account: NewAccount): Promise<UserId | Login> {
    const { store, clock, hasher } = this.#options;
    const userId = await this.checkAvailable(account.username ?? randomLocalpart());
    const passwordHash = account.password === null ? null : await hasher.hash(checkPassword(account.password));
    const login = account.device === null ? null : this.#newLogin(userId, account.device);
    const created = await store.createUser(
      {
        userId,
        passwordHash,
        isAdmin: account.isAdmin ?? false,
        userType: account.userType ?? null,
        creationTs: clock.now(),
        displayname: account.displayname ?? userId.slice(1, userId.indexOf(':')),
      },
      login?.session ?? null,
    );
    if (created === false) throw inUse();
    return login?.login ?? userId;
  }

  /** The user a login is about, or the id that a user of that name would have, so that limits count for both. */
  async findByName(name: string): Promise<{ readonly userId: UserId; readonly user: StoredUser | null } | null> {
    const candidates = candidateUserIds(name, this.#options.serverName);
    for (const userId of candidates) {
      const user = await this.#options.store.findUser(userId);
      if (user !== null) return { userId, user };
    }
    const [likeliest] = candidates;
    return likeliest === undefined ? null : { userId: likeliest, user: null };
  }

  /** Whether it is the user's password. Takes as long for nobody. @throws MatrixError 403 `M_USER_DEACTIVATED` */
  async isPasswordOf(user: StoredUser | null, password: string): Promise<boolean> {
    if (user?.isDeactivated === true) {
      throw new MatrixError(403, 'M_USER_DEACTIVATED', 'This account has been deactivated');
    }
    if (password.length > MAX_PASSWORD_LENGTH) return false;
    return this.#options.hasher.verify(password, user?.passwordHash ?? null);
  }

  async findUser(userId: UserId): Promise<StoredUser | null> {
    return this.#options.store.findUser(userId);
  }

  /** Gives the device a new token; the one it had stops working. */
  async logIn(userId: UserId, device: DeviceRequest): Promise<Login> {
    const { store, authenticator, devices, maxDevicesPerUser = 500 } = this.#options;
    const { login, session } = this.#newLogin(userId, device);
    const { removed } = await store.createSession(session, maxDevicesPerUser);
    authenticator.drop(userId, login.deviceId);
    await devices.ended(userId, removed);
    return login;
  }

  /** @throws MatrixError 400 `M_WEAK_PASSWORD`, `M_INVALID_PARAM` */
  async changePassword(userId: UserId, password: string): Promise<void> {
    await this.#options.store.setPasswordHash(userId, await this.#options.hasher.hash(checkPassword(password)));
  }

  #newLogin(userId: UserId, device: DeviceRequest): { login: Login; session: NewSession } {
    const accessToken = makeAccessToken();
    const deviceId = device.deviceId ?? makeDeviceId();
    const { displayName } = device;
    const now = this.#options.clock.now();
    return {
      login: { userId, deviceId, accessToken },
      session: { userId, deviceId, tokenHash: hashAccessToken(accessToken), displayName, now },
    };
  }
}

function checkPassword(password: string): string {
  if (password === '') throw new MatrixError(400, 'M_WEAK_PASSWORD', 'The password is empty');
  if (password.length > MAX_PASSWORD_LENGTH) {
    throw new MatrixError(400, 'M_INVALID_PARAM', `The password is longer than ${MAX_PASSWORD_LENGTH} characters`);
  }
  return password;
}

function inUse(): MatrixError {
  return new MatrixError(400, 'M_USER_IN_USE', 'This username is taken');
}
