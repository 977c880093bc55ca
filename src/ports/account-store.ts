/**
 * Durable accounts: users, devices with their access tokens, profiles, filters, account data.
 *
 * Every method resolves when its effect is durable against the death of this process, and happens whole or not at all.
 * Passwords and tokens come in as hashes only. A device has at most one token, and a token belongs to exactly one device.
 * Positions are taken from the one homeserver stream. Failures throw `PortError`.
 */
import type { DeviceId, RoomId, UserId } from '../matrix/identifiers.ts';

export interface StoredUser {
  readonly userId: UserId;
  /** Null: no password lets anybody in. */
  readonly passwordHash: string | null;
  readonly isAdmin: boolean;
  /** The reference server's `user_type`: `bot`, `support`, or null. */
  readonly userType: string | null;
  readonly creationTs: number;
  /** A deactivated user keeps the id, so that nobody else gets it, and nothing else. */
  readonly isDeactivated: boolean;
}

export type NewUser = Omit<StoredUser, 'isDeactivated'> & { readonly displayname: string | null };

export interface NewSession {
  readonly userId: UserId;
  readonly deviceId: DeviceId;
  readonly tokenHash: string;
  /** Only for a device that is new: a known one keeps its name. */
  readonly displayName: string | null;
  readonly now: number;
}

/** What a token stands for. */
export interface StoredSession {
  readonly tokenId: number;
  readonly userId: UserId;
  readonly deviceId: DeviceId;
  readonly isAdmin: boolean;
}

export interface StoredDevice {
  readonly deviceId: DeviceId;
  readonly displayName: string | null;
  readonly lastSeenTs: number | null;
  readonly lastSeenIp: string | null;
}

export interface DeviceSeen {
  readonly userId: UserId;
  readonly deviceId: DeviceId;
  readonly ts: number;
  readonly ip: string;
}

export interface StoredProfile {
  readonly displayname: string | null;
  readonly avatarUrl: string | null;
}

export type AccountDataContent = Readonly<Record<string, unknown>>;

export interface StoredAccountData {
  readonly position: number;
  /** Null: global. */
  readonly roomId: RoomId | null;
  readonly type: string;
  readonly content: AccountDataContent;
}

export interface AccountStore {
  /** False, and nothing is written, when the id exists, deactivated users included. */
  createUser(user: NewUser, session: NewSession | null): Promise<{ readonly tokenId: number | null } | false>;
  findUser(userId: UserId): Promise<StoredUser | null>;
  /** Of a user who is deactivated: nothing happens. */
  setPasswordHash(userId: UserId, passwordHash: string): Promise<void>;
  /** Takes away password, name and picture, devices, tokens, filters and account data. Returns the devices there were. */
  deactivateUser(userId: UserId): Promise<readonly DeviceId[]>;

  /**
   * Makes the device if it is new, and gives it this token in place of the one it had. A user who then has more than
   * `maxDevices` loses those that were not seen for longest; they are returned.
   */
  createSession(
    session: NewSession,
    maxDevices: number,
  ): Promise<{ readonly tokenId: number; readonly removed: readonly DeviceId[] }>;
  /** Null for an unknown token. */
  findSession(tokenHash: string): Promise<StoredSession | null>;

  /** In the order of their ids. */
  listDevices(userId: UserId): Promise<readonly StoredDevice[]>;
  /** False if there is no such device. */
  renameDevice(userId: UserId, deviceId: DeviceId, displayName: string | null): Promise<boolean>;
  /** Notes when and from where devices were last used; devices that are gone are ignored. */
  touchDevices(seen: readonly DeviceSeen[]): Promise<void>;
  /** Removes devices and their tokens; null means all but `except`. Returns those that were there. */
  removeDevices(
    userId: UserId,
    deviceIds: readonly DeviceId[] | null,
    except?: DeviceId | null,
  ): Promise<readonly DeviceId[]>;

  /** Null for a user who does not exist or is deactivated. */
  findProfile(userId: UserId): Promise<StoredProfile | null>;
  setProfile(userId: UserId, change: Partial<StoredProfile>): Promise<void>;

  /** The id of an equal filter of the user if there is one, else a new id; null when the user has `maxFilters`. */
  addFilter(userId: UserId, definition: string, maxFilters: number): Promise<string | null>;
  findFilter(userId: UserId, filterId: string): Promise<string | null>;

  /** Inserts or replaces; the position of the change, or null when it would be one more than `maxEntries` of the user. */
  putAccountData(
    userId: UserId,
    roomId: RoomId | null,
    type: string,
    content: AccountDataContent,
    maxEntries: number,
  ): Promise<number | null>;
  findAccountData(userId: UserId, roomId: RoomId | null, type: string): Promise<AccountDataContent | null>;
  /** Newest content of each type that changed in (`since`, `upTo`], in the order of the changes; all of them with 0. */
  accountDataChanges(userId: UserId, since: number, upTo: number): Promise<readonly StoredAccountData[]>;
}
