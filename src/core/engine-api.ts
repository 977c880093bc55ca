/**
 * The engine's vocabulary: what goes in (options, commands' arguments) and what comes out (changes, deliveries, collections).
 *
 * The engine is pure: commands and the time go in, changes and deliveries come out. A *turn* is: any number of commands,
 * then `takeChanges()`; the caller makes the changes durable, then calls `publish(changes)` for default routing and, when
 * the routers have answered, `route(...)`. Only published positions are ever shown to observers.
 */
import type { RoomId, ServerName, UserId } from '../matrix/identifiers.ts';
import type { PresenceState } from '../matrix/presence-state.ts';
import type { Form } from './forms.ts';
import type { UserPresenceState } from './user-presence-state.ts';

/** `tracked`: timers run. `untracked`: states change only by `setPresenceForUsers`. `disabled`: nothing changes. */
export type PresenceMode = 'tracked' | 'untracked' | 'disabled';

/** All in milliseconds. */
export interface PresenceTimers {
  /** LAST_ACTIVE_GRANULARITY: active while `now − lastActiveTs` is less. @default 60 s */
  readonly lastActiveGranularityMs: number;
  /** SYNC_ONLINE_TIMEOUT: grace after the end of a device's last sync. @default 30 s */
  readonly syncOnlineTimeoutMs: number;
  /** IDLE_TIMER: an online device without activity becomes unavailable. @default 5 min */
  readonly idleTimeoutMs: number;
  /** BUSY_ONLINE_TIMEOUT: grace of a busy device. @default 60 min */
  readonly busyOnlineTimeoutMs: number;
  /** FEDERATION_TIMEOUT: a silent remote user goes offline. @default 30 min */
  readonly federationTimeoutMs: number;
  /** FEDERATION_PING_INTERVAL: a quiet local user is sent again. @default 25 min */
  readonly federationPingIntervalMs: number;
  /** How long an observer counts as connected after their last sync ended. @default 60 s */
  readonly observerLingerMs: number;
  /** Lifetime of a state set by a module in tracked mode. @default 1 h */
  readonly managedTtlMs: number;
}

export interface EngineLimits {
  /** Observers, of all sources, for whom a form is kept; beyond it the sources answered longest ago are asked about again. @default 2,000,000 */
  readonly maxRestrictions?: number;
  /** Pending entries per connected observer; beyond it the observer's next sync scans instead. @default 1,000 */
  readonly maxPendingPerObserver: number;
  /** Local users kept per routing answer; further ones are counted as dropped. @default 100,000 */
  readonly maxRoutedPerUser: number;
}

export interface EngineOptions {
  readonly serverName: ServerName;
  readonly mode: PresenceMode;
  readonly timers: PresenceTimers;
  readonly limits: EngineLimits;
  readonly excludedRooms: ReadonlySet<RoomId>;
  /** Whether somebody who goes out of an observer's sight is told as offline once. @default true */
  readonly tellsLoss?: boolean;
  /** Positions given out are greater than this: the store's ceiling. */
  readonly startPosition: number;
}

/** What a sync says about its device. */
export interface SyncClaim {
  readonly state: typeof PresenceState.ONLINE | typeof PresenceState.UNAVAILABLE;
  /** `set_presence` was spelled out, which counts as activity; a default sync of an online device does not. */
  readonly explicit: boolean;
}

export interface ManagedPresence {
  readonly state: PresenceState;
  readonly statusMsg: string | null;
  readonly ttlMs?: number;
}

/** A validated entry of an `m.presence` EDU. */
export interface RemotePresence {
  readonly userId: UserId;
  readonly state: PresenceState;
  readonly statusMsg: string | null;
  /** Null when the entry had no `last_active_ago`: the known value is kept. */
  readonly lastActiveTs: number | null;
  readonly currentlyActive: boolean;
}

/** First rule that matched, in the reference server's words. `forced`: `setPresenceForUsers`. */
export type NotifyReason =
  | 'status_msg_change'
  | 'state_change'
  | 'current_active_change'
  | 'last_active_change_online'
  | 'last_active_change_not_online'
  | 'forced';

/** One change worth telling, as of the end of its turn: at most one per user. */
export interface PresenceUpdate {
  /** Dense engine id of the user. */
  readonly uid: number;
  readonly state: UserPresenceState;
  readonly previousState: PresenceState;
  readonly position: number;
  readonly reason: NotifyReason;
  /** Whoever gets a form with all of these bits sees nothing that is new; absent or 0: everybody sees something. */
  readonly hiddenBy?: Form;
}

export interface TurnChanges {
  /** In position order. Empty when nothing is worth telling. */
  readonly updates: readonly PresenceUpdate[];
  /**
   * Local users whose keep-alive is due and who are not in `updates`: only those whom a server may have to hear of. Sent to servers only;
   * moves no position.
   */
  readonly pings: readonly PresenceUpdate[];
  /** Highest position in use by the end of this turn. */
  readonly position: number;
}

export interface TakenTurn extends TurnChanges {
  /**
   * Remote servers, and the local users' states that joins of this turn bring them: as they are shown, to be sent at once. Users whose
   * update is not published yet are left out: it goes to the new servers when it is.
   */
  readonly joins: ReadonlyMap<ServerName, readonly UserPresenceState[]>;
}

/** Who is to be told now. */
export interface Deliveries {
  /** Dense ids of connected local observers that have something new, each once. */
  readonly observers: Uint32Array;
  /** Number of (observer, update) pairs. */
  readonly pairs: number;
  /** Remote servers and the local users' states they get: at most one state per user and server. */
  readonly servers: ReadonlyMap<ServerName, readonly UserPresenceState[]>;
}

/** What `publish` did: keep-alives apart from updates, because they can wait. */
export interface PublishResult extends Deliveries {
  /** Remote servers and the local users' unchanged states they are to hear again. */
  readonly keepAlives: ReadonlyMap<ServerName, readonly UserPresenceState[]>;
}

/** The merged, checked answer of the routers for one batch: source → who gets it in addition. */
export type RoutingAnswer = ReadonlyMap<UserId, readonly UserId[]>;

/** Who may get presence: a local user, or another server. User ids begin with `@`, names of servers never do. */
export type Observer = UserId | ServerName;

/** Whom modules are to be asked about: they have not said yet in what form these observers get the source's presence. */
export interface RestrictionQuestion {
  readonly source: UserId;
  readonly observers: readonly Observer[];
}

/** The merged, checked answer of all modules about one source. */
export interface RestrictionAnswer {
  /** Of everybody who is not in `observers`, asked about or not; null: it is only about those asked, who get everything unless named. */
  readonly others: Form | null;
  readonly observers: ReadonlyMap<Observer, Form>;
}

/** A kept answer that is to be saved. */
export interface KeptChange {
  /** The source. */
  readonly userId: UserId;
  /** Null: the same users as before, only the position is new. */
  readonly routedTo: readonly UserId[] | null;
  /** At which the answer was delivered; 0 when it names nobody. */
  readonly routedPosition: number;
}

/** What `route` did. */
export interface RouteResult extends Deliveries {
  readonly kept: readonly KeptChange[];
  /** Targets dropped because of `maxRoutedPerUser`. */
  readonly dropped: number;
}

/** A row to save, or saved: the shape of the store's rows. */
export interface StoredRow {
  readonly state: UserPresenceState;
  /** Of the last change that was told; 0 for none. Saving activity does not move it. */
  readonly position: number;
  readonly routedTo: readonly UserId[];
  /** 0 when `routedTo` is empty. */
  readonly routedPosition: number;
}

export interface ReleaseOptions {
  /** Least time from the beginning of one pass over all users to the next: who is unseen in two in a row is forgotten. */
  readonly passIntervalMs: number;
  /** Users to look at, and inboxes to search, in one call. */
  readonly budget: number;
  /** Whether the caller still uses the number of this user. */
  readonly isBusy: (uid: number) => boolean;
  /** Whether users of this server wait for a place. */
  readonly isCrowded: (server: ServerName) => boolean;
  /** How long everybody counts as seen after the last observer who wanted everybody has gone. */
  readonly everybodyLingerMs: number;
}

/** Somebody the engine has just forgotten. */
export interface ReleasedUser {
  /** The number they had, which may stand for somebody else soon. */
  readonly uid: number;
  readonly state: UserPresenceState;
  /** Whether an update of theirs was ever told: then somebody may still believe it. */
  readonly wasTold: boolean;
  /** Whether nothing was known about them. */
  readonly isBlank: boolean;
  readonly isLocal: boolean;
}

/** Where an observer is in the stream: part of the opaque sync token. */
export interface PresenceCursor {
  readonly position: number;
  /** Something up to `position` is still owed, from here on (exclusive); null when nothing is. */
  readonly resume: number | null;
}

export interface CollectOptions {
  /** Null for an initial or full-state sync. */
  readonly since: PresenceCursor | null;
  /** Offline users are part of a snapshot only if true. Never removes them from an increment. */
  readonly includeOffline: boolean;
  /** Users whose current state is wanted whatever their position: new room mates. Checked for visibility; self is skipped. */
  readonly extras: readonly UserId[];
  /**
   * Users who may have gone out of the observer's sight with a room that either has left since: those who have, and were not offline, are
   * told as offline.
   */
  readonly lost?: readonly UserId[];
  /** Sender filter, if any. */
  readonly accept: ((userId: UserId) => boolean) | null;
  /** Most users in one collection. What is cut is owed by `next`. */
  readonly limit: number | null;
}

export interface Collection {
  /** Users to tell about, each once, by position; read their state with `state(uid)`. */
  readonly uids: readonly number[];
  /** In what form, by the same index; null: all in full. */
  readonly forms: Uint8Array | null;
  readonly next: PresenceCursor;
}

/** Sizes for gauges. */
export interface EngineStats {
  /** Users with a dense id: members of rooms, and everybody who was ever named. */
  readonly users: number;
  readonly rooms: number;
  /** Armed timers. */
  readonly timers: number;
  /** Connected observers. */
  readonly observers: number;
  /** Live devices, pseudo-devices included. */
  readonly devices: number;
  /** Inbox entries of all observers, superseded ones included. */
  readonly pending: number;
  /** Sources with a kept routing answer. */
  readonly keptAnswers: number;
  readonly fullPresenceMarks: number;
  /** Users whose activity is not saved yet. */
  readonly unpersisted: number;
  /** Observers, of all sources, for whom a form is kept; and from whom something is withheld until somebody says. */
  readonly restrictions: number;
  readonly withheld: number;
  /** Bytes in the buffers of lists and inboxes. */
  readonly listBytes: number;
}
