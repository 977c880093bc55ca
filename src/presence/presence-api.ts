/**
 * The presence service as the HTTP layer, the sync, the rooms and the module API see it.
 *
 * It drives the pure engine: commands take effect in memory at once, are made durable together a moment later, and only
 * then are they told to anybody.
 */
import type {
  Collection,
  CollectOptions,
  ManagedPresence,
  Observer,
  PresenceMode,
  RemotePresence,
} from '../core/engine-api.ts';
import type { Form } from '../core/forms.ts';
import type { UserPresenceState } from '../core/user-presence-state.ts';
import type { DeviceId, ServerName, UserId } from '../matrix/identifiers.ts';
import type { PresenceState } from '../matrix/presence-state.ts';
import type { ExplainDirectory, Explanation } from './explanation.ts';
import type { PresenceView } from './presence-view.ts';

/** What a `/sync` request says about presence. */
export interface BeginSyncOptions {
  /** `set_presence`; `offline` keeps the request from affecting presence in any way. */
  readonly setPresence: 'online' | 'unavailable' | 'offline';
  /** Whether `set_presence` was spelled out in the request, which counts as activity. */
  readonly explicit: boolean;
  /** Over `rc_presence`: the claim is ignored, but the device still counts as connected while the request is open. */
  readonly rateLimited: boolean;
  /** An initial or full-state sync: what it shows is known first, as far as modules have to be asked. @default false */
  readonly isWhole?: boolean;
}

/** One open `/sync` request. */
export interface SyncSession {
  /** Call it exactly when the request is over, however it ends; further calls do nothing. */
  end(): void;
}

/** An entry of `setPresenceForUsers`, unchecked: it comes from a module. */
export interface PresenceEntry extends Omit<ManagedPresence, 'statusMsg'> {
  readonly statusMsg?: string | null;
}

export interface PresenceHandler {
  readonly mode: PresenceMode;
  /** Everything that is known, for people who look after the server. */
  readonly view: PresenceView;
  /** Newest published position: where an initial sync's token points at least. */
  readonly position: number;

  /**
   * PUT …/status. Resolves when the change is durable and told to everybody connected; waits for no module. Does nothing unless
   * presence is tracked.
   *
   * @throws PortError (transient) when it could not be saved: then nobody has seen it, though it may yet take effect
   */
  setPresence(userId: UserId, deviceId: DeviceId, state: PresenceState, statusMsg: string | null): Promise<void>;

  /**
   * Call it when a `/sync` starts, before computing anything, and `end()` what it returns in a `finally`.
   *
   * From then on the user is a connected observer: `onNotify` tells when `collect` has something new for them. The answer comes at
   * once or, when the state changed or a module has to be asked first (at most until its deadline), later. Never fails.
   */
  beginSync(userId: UserId, deviceId: DeviceId, options: BeginSyncOptions): SyncSession | Promise<SyncSession>;

  /** The user did something: message, receipt, read marker, typing. */
  bumpPresenceActiveTime(userId: UserId, deviceId: DeviceId): void;

  /** The current record; that of an unknown user is offline and never active. No visibility check. */
  getState(userId: UserId): UserPresenceState;

  /**
   * The body of GET …/status, serialised, in the form in which `observer` may have it; null if they may not see `target`: the same answer
   * as live delivery, sync and snapshots. May ask modules, and waits for them at most until their deadline.
   */
  statusFor(observer: UserId, target: UserId): string | null | Promise<string | null>;

  /** What a connected observer is to be told. Synchronous; render each uid, in its form, with `eventBody`. */
  collect(observer: UserId, options: CollectOptions): Collection;

  /** `{"type":"m.presence","sender":…,"content":{…}}`, serialised; shared by all who get it in this form, at most 250 ms old. */
  eventBody(uid: number, form: Form): string;

  /**
   * Why the observer, a user or another server, does or does not see the target. Asks modules, and changes nothing.
   *
   * @throws what the directory throws
   */
  explain(observer: Observer, target: UserId, directory: ExplainDirectory): Promise<Explanation>;

  /**
   * Module API: a snapshot of everybody who is not offline, at each device's next sync; see `ModuleApi`.
   *
   * @throws TypeError naming the first id that is none
   */
  sendLocalOnlinePresenceTo(users: Iterable<UserId>): Promise<void>;

  /**
   * Module API: sets states from outside; see `ModuleApi`. Resolves when durable.
   *
   * @throws TypeError naming the first invalid entry; nothing is applied then
   */
  setPresenceForUsers(users: ReadonlyMap<UserId, PresenceEntry>): Promise<void>;

  /**
   * Module API: asks `getInterestedUsers` again for the connected ones of these users, or for all connected ones.
   *
   * @throws TypeError naming the first id that is none
   */
  invalidateInterestedUsers(users?: Iterable<UserId>): void;

  /**
   * Module API: asks `getUsersForStates` again about the present state of these users. The answer replaces the one before: local users
   * whom it names no more lose sight, and the servers of all whom it names get the state.
   *
   * @throws TypeError naming the first id that is none
   */
  invalidateUsersForStates(sources: Iterable<UserId>): void;

  /**
   * Module API: asks `getRestrictions` again about these users, or about all of whom anything is known. Until the answer is there, the one
   * before stands.
   *
   * @throws TypeError naming the first id that is none
   */
  invalidateRestrictions(sources?: Iterable<UserId>): void;

  /** Validated entries of an EDU. Users who are not of `origin` are left out. Resolves when durable. */
  receiveRemote(origin: ServerName, entries: readonly RemotePresence[]): Promise<void>;

  /**
   * For a server that missed something; see the port `OwedPresence`. Give it up by ending the loop; it throws a `PortError`
   * when the service stops before its end. A state never belongs in place of one of the same user that was sent while the loop ran: that is at least as new.
   */
  statesFor(destination: ServerName, sinceTs: number): AsyncIterable<readonly UserPresenceState[]>;

  /**
   * After a restart: local users whom servers were told of at or after `ts` are sent to their servers again, in the background. No client
   * hears of it.
   */
  resendSince(ts: number): void;

  /**
   * After a start, once the routers are registered: updates of the last minute before the end whose routing answer may have been lost are
   * routed once more.
   */
  routeUnanswered(): void;

  /**
   * Other modules answer from now on; call it in the same step. Resolves when everything has been asked again and what differs in who sees
   * whom is delivered: gains bring the current state, losses one last `offline`.
   */
  modulesReplaced(): Promise<void>;

  /** Logout or device deletion: the device's presence ends at once. */
  removeDevice(userId: UserId, deviceId: DeviceId): void;
  /** Deactivation: all devices end at once. */
  removeUser(userId: UserId): void;

  /** Tells of connected local users for whom `collect` has something new; called after it is durable. */
  onNotify(listener: (users: readonly UserId[]) => void): Disposable;

  /** Loads what is stored and starts the timers. Call it once, before anything else. */
  start(): Promise<void>;
  /** Stops the timers and saves what is not saved. Resolves when done; nothing is accepted afterwards. */
  stop(): Promise<void>;
}
