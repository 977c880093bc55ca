/**
 * What a module author's test sees: a whole presence server in memory, and the time in the test's hand.
 */
import type { EngineOptions } from '../core/engine-api.ts';
import type { RoomId, ServerName, UserId } from '../matrix/identifiers.ts';
import type { PresenceState } from '../matrix/presence-state.ts';
import type { ModuleApi } from '../module/module-api.ts';
import type { ModuleStatics } from '../module/module-kinds.ts';
import type { CallbackLimits } from '../router-host/callback-limits.ts';
import type { AccountLookups } from '../router-host/module-services.ts';

/**
 * A module under test on the real engine and the real router host, with rooms, servers and clients in memory.
 *
 * @example
 * ```ts
 * await using harness = await createModuleHarness(CustomPresenceRouter, { config, serverName: 'example.org' });
 * await harness.connect('@alice:example.org');
 * await harness.setPresence('@bob:example.org', { state: 'online' });
 * expect(harness.received('@alice:example.org')).toMatchObject([{ userId: '@bob:example.org', state: 'online' }]);
 * ```
 * @since 0.1
 */
export interface ModuleHarness<Instance = unknown> extends AsyncDisposable {
  readonly serverName: ServerName;
  /** What the module made of itself: a class's instance, or what a function or `setup` returned. */
  readonly instance: Instance;
  /** Who is joined where. Local users who join are connected by the next call that waits. */
  readonly rooms: HarnessRooms;

  /** Connects a client of a local user: it syncs, then keeps a long poll open, without affecting the user's own presence. */
  connect(userId: UserId): Promise<void>;
  /** The user's client is gone; what it received is kept. */
  disconnect(userId: UserId): Promise<void>;
  /** All that a connected user's client has been told so far, oldest first. */
  received(userId: UserId): readonly ReceivedPresence[];

  /**
   * Sets a user's presence: of a local user by a client of theirs, which stays connected until it says `offline`, so that the
   * user idles and does not vanish; of a remote user by a message of their server.
   */
  setPresence(userId: UserId, presence: { state: PresenceState; statusMsg?: string | null }): Promise<void>;
  /** One sync of one device: the first is an initial sync, each further one tells what is new. Affects nobody's presence. */
  sync(userId: UserId, options?: { device?: string; fullState?: boolean }): Promise<readonly ReceivedPresence[]>;
  /** What a client gets that asks for `target`'s presence; null if `observer` may not see it. */
  get(observer: UserId, target: UserId): Promise<ReceivedPresence | null>;

  /** Presence of remote users arrives from their server. */
  receiveFromServer(origin: ServerName, entries: readonly PresenceFromServer[]): Promise<void>;
  /** What has left for other servers so far, oldest first. */
  sentToServers(): readonly SentToServer[];
  /** Empties what `received` and `sentToServers` return. */
  clear(): void;

  /** Moves the clock. Everything that falls due on the way happens at its own time. */
  advance(by: { seconds?: number; minutes?: number; ms?: number }): Promise<void>;
  /** The clock, in ms since the epoch. */
  now(): number;
  /** Waits until everything that does not wait for time or the outside world is done. */
  settle(): Promise<void>;

  /** Requests one of the module's web resources; null if it serves nothing there. */
  fetch(path: string, init?: RequestInit): Promise<Response | null>;
  /** What the host complained about, and what the module logged as a warning or error: `expect(harness.problems()).toEqual([])`. */
  problems(): readonly string[];
  /** The value of a counter or gauge, such as `thalamus_module_callback_total` of one `outcome`. */
  metric(name: string, labels?: Readonly<Record<string, string>>): number;
}

/** @since 0.1 */
export interface HarnessRooms {
  join(roomId: RoomId, users: UserId | readonly UserId[]): void;
  leave(roomId: RoomId, users: UserId | readonly UserId[]): void;
}

/** @since 0.1 */
export interface ReceivedPresence {
  readonly userId: UserId;
  readonly state: PresenceState;
  readonly statusMsg: string | null;
  readonly currentlyActive: boolean;
}

/** @since 0.1 */
export interface PresenceFromServer {
  readonly userId: UserId;
  readonly state: PresenceState;
  /** @default null */
  readonly statusMsg?: string | null;
  /** @default 0 */
  readonly lastActiveAgoMs?: number;
  /** @default whether `state` is online */
  readonly currentlyActive?: boolean;
}

/** @since 0.1 */
export interface SentToServer extends ReceivedPresence {
  readonly destination: ServerName;
}

/** @since 0.1 */
export interface ModuleHarnessOptions {
  /** As in the configuration file; goes through the module's `parseConfig`. @default {} */
  readonly config?: unknown;
  /** @default 'example.org' */
  readonly serverName?: ServerName;
  /** What logs and metrics call the module. @default '0' */
  readonly name?: string;
  /** `module_callbacks`. @default the server's own */
  readonly callbacks?: Partial<CallbackLimits>;
  /** Modules that come after the one under test. */
  readonly otherModules?: readonly { module: ModuleUnderTest; config?: unknown; name?: string }[];
  /** `presence.enabled`. @default 'tracked' */
  readonly mode?: EngineOptions['mode'];
  /** Accounts to look in. @default none */
  readonly accounts?: AccountLookups;
  /** Where the clock stands at the beginning, in ms since the epoch. @default 2026-01-01T00:00:00Z */
  readonly startTs?: number;
}

/** Any form of module, whatever its configuration. @since 0.1 */
export type ModuleUnderTest = ModuleStatics<unknown> &
  (
    | (new (
        config: never,
        api: ModuleApi,
      ) => object)
    | ((config: never, api: ModuleApi) => unknown)
    | {
        setup?(config: never, api: ModuleApi): unknown;
        getUsersForStates?: unknown;
        getInterestedUsers?: unknown;
        getRestrictions?: unknown;
      }
  );

/** What `harness.instance` is. @since 0.1 */
export type InstanceOf<Module extends ModuleUnderTest> = Module extends new (
  ...args: never
) => infer Instance
  ? Instance
  : Module extends ((...args: never) => infer Result) | { setup(...args: never): infer Result }
    ? Awaited<Result>
    : undefined;
