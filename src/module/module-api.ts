/**
 * What the server does for a module: the second argument of its constructor.
 *
 * A narrow object. Names are the reference server's in camelCase; what is not offered, and why, is in
 * docs/reference/module-api.md.
 */
import type { UserId } from '../matrix/identifiers.ts';
import type { PresenceState } from '../matrix/presence-state.ts';
import type { NoPresenceRouterCallbacks, PresenceRouterCallbacks } from './callbacks.ts';

/**
 * The version of this API. A module that names another one (`static readonly apiVersion = 1`) is refused at start.
 *
 * @since 0.1
 */
export const MODULE_API_VERSION = 1;

/** @since 0.1 */
export interface ModuleApi {
  /** The server's name, the part after the colon in its users' ids. */
  readonly serverName: string;
  /** Where clients reach the server, with a slash at the end; null if the configuration does not say. */
  readonly publicBaseurl: string | null;
  /** The name of this process; null when there is only one. */
  readonly workerName: string | null;
  /** A log that marks every line with the module's name. */
  readonly logger: ModuleLogger;

  /**
   * Registers the two callbacks that add observers, both or neither, and `getRestrictions`, which keeps presence back, with them or alone.
   * Registering again adds further ones, which are asked after the first.
   *
   * Possible until the constructor (or the promise that `setup` returns) is done; the order of all callbacks is then final.
   * Pass an object rather than single methods, so that `this` is right inside: usually the module itself.
   *
   * @throws TypeError if only one of the pair is given, or something that is not a function
   * @example
   * ```ts
   * constructor(config: Config, api: ModuleApi) {
   *   api.registerPresenceRouterCallbacks(this);
   * }
   * ```
   */
  registerPresenceRouterCallbacks(callbacks: PresenceRouterCallbacks | NoPresenceRouterCallbacks): void;

  /**
   * Sends the users the presence of everybody they may see who is not offline, once per device, at their next sync.
   *
   * Wakes every local user named and changes nobody's state. A remote user's server gets it at once, about our own users only.
   * Resolves when it is on disk, so it survives a crash. Calling it again for a user who has not synced since replaces the first.
   *
   * @throws TypeError for something that is not a user id; nothing is sent then
   * @example
   * ```ts
   * await api.sendLocalOnlinePresenceTo(['@alice:example.org', '@bob:elsewhere.example']);
   * ```
   */
  sendLocalOnlinePresenceTo(users: Iterable<UserId>): Promise<void>;

  /**
   * Sets the presence of users, local or remote, and always tells everybody who may see it.
   *
   * With `presence.enabled: untracked` it lasts until the next call. Otherwise it acts as one more device of the user, for an
   * hour unless `ttlMs` says how long; a remote user's lasts 30 minutes. The next call replaces it.
   *
   * @throws TypeError that names the first invalid entry; nothing at all is applied then
   * @example
   * ```ts
   * await api.setPresenceForUsers(new Map([['@bob:example.org', { state: 'online', statusMsg: 'on call' }]]));
   * ```
   */
  setPresenceForUsers(users: ReadonlyMap<UserId, PresenceForUser>): Promise<void>;

  /**
   * Asks `getInterestedUsers` again for these users, or for all connected ones: they gain or lose at once what changed.
   *
   * Call it when the data behind the callback changes. Users who are not connected are asked when they sync.
   *
   * @throws TypeError for something that is not a user id
   */
  invalidateInterestedUsers(users?: Iterable<UserId>): void;

  /**
   * Asks `getUsersForStates` again about the present state of these users: its answer replaces the last one. Local users whom it names no
   * more lose sight; the servers of all other users it names get the state.
   *
   * Call it, after `invalidateInterestedUsers`, when the data behind the callback changes. `ObserverRelation` does both.
   *
   * @param sources - local or remote users
   * @throws TypeError for something that is not a user id
   */
  invalidateUsersForStates(sources: Iterable<UserId>): void;

  /**
   * Asks `getRestrictions` again about the presence of these users, or of all: what is denied from now on is taken away at once, what is
   * allowed is given.
   *
   * Call it when the data behind the callback changes. Until the new answer is there, the old one stands.
   *
   * @param sources - local or remote users
   * @throws TypeError for something that is not a user id
   * @example
   * ```ts
   * this.#onLeave.add(userId);
   * api.invalidateRestrictions([userId]);
   * ```
   */
  invalidateRestrictions(sources?: Iterable<UserId>): void;

  /** Whether a user id (or any id with a server name after its first colon) belongs to this server. */
  isMine(id: string): boolean;

  /** `alice` → `@alice:this.server`; a full user id is returned as it is. */
  getQualifiedUserId(localpart: string): UserId;

  /**
   * The account's user id as registered, or null if there is no such local account.
   *
   * @throws NotSupportedError if this server has no accounts to look in
   */
  checkUserExists(userId: UserId): Promise<UserId | null>;

  /**
   * What is known about a local account; null if there is none.
   *
   * @throws NotSupportedError if this server has no accounts to look in
   */
  getUserinfoById(userId: UserId): Promise<UserInfo | null>;

  /**
   * Display name and avatar of a local user, by localpart.
   *
   * @throws NotSupportedError if this server has no accounts to look in
   */
  getProfileForUser(localpart: string): Promise<ProfileInfo>;

  /**
   * The user whose access token a request carries, as in `Authorization: Bearer …`. For handlers of web resources.
   *
   * @throws an error with `errcode` and `httpStatus` if there is no valid token; a handler that lets it pass answers just that
   * @throws NotSupportedError if this server has no accounts to look in
   */
  getUserByReq(request: Request): Promise<RequesterInfo>;

  /**
   * Calls `f` every `msec` milliseconds, the first time after `msec`. The next period starts when `f` is done.
   *
   * A failure is logged and counted, and the loop goes on. Dispose of the result to end it; it ends by itself at shutdown.
   *
   * @example
   * ```ts
   * api.loopingBackgroundCall(() => this.#reloadGroups(), 60_000, { desc: 'reload groups' });
   * ```
   */
  loopingBackgroundCall(f: () => unknown, msec: number, options?: BackgroundCallOptions): Disposable;

  /** Calls `f` once after `msec` milliseconds, unless the result is disposed of first. Does not survive a restart. */
  delayedBackgroundCall(msec: number, f: () => unknown, options?: Pick<BackgroundCallOptions, 'desc'>): Disposable;

  /**
   * Calls `f` now and looks after what becomes of it: a failure is logged and counted, and shutdown waits for it, briefly.
   *
   * @returns what `f` returns; undefined if it fails
   */
  runAsBackgroundProcess<T>(desc: string, f: () => T | Promise<T>): Promise<T | undefined>;

  /** Whether this process is one that runs background work which should run in one place only. */
  shouldRunBackgroundTasks(): boolean;

  /** Resolves after so many *seconds* (not milliseconds, unlike everything else here). Never resolves after shutdown. */
  sleep(seconds: number): Promise<void>;

  /** Milliseconds since the Unix epoch, by the server's clock; in tests, the clock that the test moves. */
  getCurrentTimeMsec(): number;

  /**
   * Serves HTTP at exactly `path` and everything below it, with all methods, on listeners with the `client` resource.
   *
   * The server authenticates nobody there. Possible at the same time as registering callbacks. The first module to ask for a
   * path keeps it; among several that fit, the longest wins. The body limit and a deadline apply; a throw is a 500 without detail.
   *
   * @throws TypeError if the path does not start with `/`, or is `/`, or is under `/_matrix` or `/_thalamus`
   * @example
   * ```ts
   * api.registerWebResource('/_kiosk/status', async () => Response.json({ ok: true }));
   * ```
   */
  registerWebResource(path: string, handler: WebResourceHandler): void;
}

/** @since 0.1 */
export type WebResourceHandler = (request: Request) => Response | Promise<Response>;

/** One entry of `setPresenceForUsers`. @since 0.1 */
export interface PresenceForUser {
  readonly state: PresenceState;
  /** Null or left out for none. */
  readonly statusMsg?: string | null;
  /** How long it lasts, in milliseconds, where presence is tracked. @default one hour */
  readonly ttlMs?: number;
}

/** @since 0.1 */
export interface UserInfo {
  readonly userId: UserId;
  readonly isAdmin: boolean;
  readonly isDeactivated: boolean;
  /** When the account was made, ms since the epoch. */
  readonly creationTs: number;
}

/** @since 0.1 */
export interface ProfileInfo {
  readonly displayName: string | null;
  readonly avatarUrl: string | null;
}

/** @since 0.1 */
export interface RequesterInfo {
  readonly userId: UserId;
  readonly deviceId: string | null;
  readonly isAdmin: boolean;
}

/** @since 0.1 */
export interface BackgroundCallOptions {
  /** What it does, for logs. @default the function's name */
  readonly desc?: string;
  /** Run in every process of a cluster, rather than in one. @default false */
  readonly runOnAllInstances?: boolean;
}

/**
 * Fields first, or the sentence alone. Put an `Error` under `err`. Never log tokens or status messages.
 *
 * @example
 * ```ts
 * api.logger.info({ groups: groups.size }, 'groups loaded');
 * ```
 * @since 0.1
 */
export interface ModuleLogger {
  readonly debug: LogMethod;
  readonly info: LogMethod;
  readonly warn: LogMethod;
  readonly error: LogMethod;
}

/** @since 0.1 */
export type LogMethod = (
  ...line: [message: string] | [fields: Readonly<Record<string, unknown>>, message: string]
) => void;
