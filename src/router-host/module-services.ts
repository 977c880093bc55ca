/**
 * What the host needs of the server to keep the promises of `ModuleApi`: handed in where the server is put together.
 *
 * Arguments that arrive here are checked: user ids are valid and without duplicates, states and texts are allowed.
 */
import type { ManagedPresence } from '../core/engine-api.ts';
import type { UserId } from '../matrix/identifiers.ts';
import type { ProfileInfo, RequesterInfo, UserInfo } from '../module/module-api.ts';

export interface ModuleServices {
  readonly serverName: string;
  readonly publicBaseurl: string | null;
  /** Null when there is one process. */
  readonly workerName: string | null;
  /** Whether work that is to run in one process only runs in this one. */
  readonly runsBackgroundTasks: boolean;
  /** Whether the busy state is allowed: `experimental_features.msc3026_enabled`. */
  readonly busyEnabled: boolean;
  /** `presence.max_status_msg_bytes`. */
  readonly maxStatusMsgBytes: number;
  readonly presence: PresenceOperations;
  /** Null where there are no accounts to look in; the members of `ModuleApi` that need them then throw `NotSupportedError`. */
  readonly accounts: AccountLookups | null;
}

/** The presence service's part. */
export interface PresenceOperations {
  /** Resolves when the marks are on disk. `users` is not empty. */
  sendLocalOnlinePresenceTo(users: readonly UserId[]): Promise<void>;
  /** `entries` is not empty. */
  setPresenceForUsers(entries: ReadonlyMap<UserId, ManagedPresence>): Promise<void>;
  /** Undefined: every connected observer. The router has forgotten what it knew of them. */
  invalidateInterestedUsers(users?: readonly UserId[]): unknown;
}

/** The accounts' part; each resolves with null for an account that does not exist. */
export interface AccountLookups {
  getUserinfoById(userId: UserId): Promise<UserInfo | null>;
  getProfileForUser(localpart: string): Promise<ProfileInfo>;
  /** Rejects with an error that has `httpStatus` and `errcode` if the request has no valid token. */
  getUserByReq(request: Request): Promise<RequesterInfo>;
}
