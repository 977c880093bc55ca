/**
 * What the host needs of the server to keep the promises of `ModuleApi`: handed in where the server is put together.
 */
import type { UserId } from '../matrix/identifiers.ts';
import type { PresenceForUser, ProfileInfo, RequesterInfo, UserInfo } from '../module/module-api.ts';

export interface ModuleServices {
  readonly serverName: string;
  readonly publicBaseurl: string | null;
  /** Null when there is one process. */
  readonly workerName: string | null;
  /** Whether work that is to run in one process only runs in this one. */
  readonly runsBackgroundTasks: boolean;
  readonly presence: PresenceOperations;
  /** Null where there are no accounts to look in; the members of `ModuleApi` that need them then throw `NotSupportedError`. */
  readonly accounts: AccountLookups | null;
}

/** The presence service's part. Its arguments come from a module unchecked: what is wrong is a `TypeError` that names it. */
export interface PresenceOperations {
  /** Resolves when the marks are on disk. */
  sendLocalOnlinePresenceTo(users: Iterable<UserId>): Promise<void>;
  setPresenceForUsers(users: ReadonlyMap<UserId, PresenceForUser>): Promise<void>;
  /** Undefined: every connected observer. The router has forgotten what it knew of them. */
  invalidateInterestedUsers(users?: Iterable<UserId>): void;
  invalidateUsersForStates(sources: Iterable<UserId>): void;
  /** Undefined: all sources. The router still knows what was answered, so that it stands if the new call fails. */
  invalidateRestrictions(sources?: Iterable<UserId>): void;
}

/** The accounts' part; each resolves with null for an account that does not exist. */
export interface AccountLookups {
  getUserinfoById(userId: UserId): Promise<UserInfo | null>;
  getProfileForUser(localpart: string): Promise<ProfileInfo>;
  /** Rejects with an error that has `httpStatus` and `errcode` if the request has no valid token. */
  getUserByReq(request: Request): Promise<RequesterInfo>;
}
