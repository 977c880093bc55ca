/**
 * The engine's reference model: the same contract, written to be obvious instead of fast. Plain maps, everything recomputed.
 *
 * It predicts records, updates with their reasons, keep-alives, who is woken, which servers are told, and for `collect` what must and
 * what may be in an answer. It gives out no positions: it learns the engine's and checks that they only grow.
 */
import type {
  EngineOptions,
  ManagedPresence,
  NotifyReason,
  PresenceCursor,
  PresenceUpdate,
  RemotePresence,
  RoutingAnswer,
  StoredRow,
  SyncClaim,
} from '../../src/core/engine-api.ts';
import { keepAliveAfterMs } from '../../src/core/keep-alives.ts';
import type { UserPresenceState } from '../../src/core/user-presence-state.ts';
import { type RoomId, serverNameOf, type UserId } from '../../src/matrix/identifiers.ts';
import { PRESENCE_STATES, type PresenceState } from '../../src/matrix/presence-state.ts';

interface Device {
  state: PresenceState;
  idled: boolean;
  lastActiveTs: number;
  lastSyncTs: number;
  inFlight: number;
}

interface PseudoDevice {
  state: PresenceState;
  endsTs: number;
}

interface User {
  record: UserPresenceState;
  devices: Map<string, Device>;
  managed: PseudoDevice | null;
  restored: PseudoDevice | null;
  /** Of the last published update. */
  position: number;
  /** What observers see; of the same update. */
  shown: PresenceState;
  openSyncs: number;
  lastEndTs: number;
  connected: boolean;
  interest: readonly UserId[] | 'ALL' | null;
  kept: { to: Set<UserId>; position: number };
  mark: number;
  /** Position when the user connected. */
  connectedAt: number;
  told: Told[];
}

/** What an observer was told of, and must find in a sync whose token is older. */
export interface Told {
  readonly source: UserId;
  position: number;
  readonly how: 'update' | 'routed' | 'gain';
  /** Not owed any more (the answer it came from was replaced), but it may still be found. */
  isVoid: boolean;
}

export interface ExpectedUpdate {
  readonly userId: UserId;
  readonly reason: NotifyReason;
  readonly previousState: PresenceState;
  readonly state: UserPresenceState;
}

const rank = (state: PresenceState): number => PRESENCE_STATES.indexOf(state);

export class ReferenceModel {
  readonly options: EngineOptions;
  readonly users = new Map<UserId, User>();
  readonly rooms = new Map<RoomId, Set<UserId>>();
  /** The engine's, for remembering when observers connected. */
  allocatedPosition = 0;
  #before = new Map<UserId, UserPresenceState>();
  #forced = new Set<UserId>();
  #pinged = new Set<UserId>();
  #turnTs = 0;

  /** Genuine joins since they were last taken. */
  readonly #joined = new Map<RoomId, Set<UserId>>();
  routersAreAsked = false;
  /** By source: the servers that routers named for it, and for which update. */
  readonly #routedServers = new Map<UserId, { readonly servers: ReadonlySet<string>; readonly updatedAt: number }>();
  /** Source → position of the update that its kept answer is for. */
  readonly #routedFor = new Map<UserId, number>();
  /** The engine's, for the spread of keep-alives. */
  readonly #uidOf: (userId: UserId) => number;

  constructor(options: EngineOptions, uidOf: (userId: UserId) => number) {
    this.options = options;
    this.#uidOf = uidOf;
  }

  user(userId: UserId): User {
    let user = this.users.get(userId);
    if (user === undefined) {
      user = {
        record: {
          userId,
          state: 'offline',
          lastActiveTs: 0,
          lastFederationUpdateTs: 0,
          lastUserSyncTs: 0,
          statusMsg: null,
          currentlyActive: false,
        },
        devices: new Map(),
        managed: null,
        restored: null,
        position: 0,
        shown: 'offline',
        openSyncs: 0,
        lastEndTs: 0,
        connected: false,
        interest: null,
        kept: { to: new Set(), position: 0 },
        mark: 0,
        connectedAt: 0,
        told: [],
      };
      this.users.set(userId, user);
    }
    return user;
  }

  isLocal(userId: UserId): boolean {
    return serverNameOf(userId) === this.options.serverName;
  }

  // Commands.

  restore(row: StoredRow, now: number): void {
    const user = this.user(row.state.userId);
    user.record = { ...row.state, currentlyActive: row.state.currentlyActive && row.state.state === 'online' };
    user.position = row.position;
    user.shown = row.state.state;
    user.kept = { to: new Set(row.routedTo), position: row.routedPosition };
    const { mode, timers } = this.options;
    const { state } = user.record;
    if (state === 'offline') return;
    if (mode === 'disabled') {
      this.#begin(row.state.userId, now);
      user.record = { ...user.record, state: 'offline', statusMsg: null, currentlyActive: false };
    } else if (mode === 'tracked' && this.isLocal(row.state.userId)) {
      const grace = this.#isBusy(state) ? timers.busyOnlineTimeoutMs : timers.syncOnlineTimeoutMs;
      user.restored = { state, endsTs: now + grace };
    }
  }

  join(userId: UserId, roomId: RoomId): void {
    if (this.options.excludedRooms.has(roomId)) return;
    this.user(userId);
    if (this.rooms.get(roomId)?.has(userId) === true) return;
    this.rooms.set(roomId, (this.rooms.get(roomId) ?? new Set()).add(userId));
    this.#joined.set(roomId, (this.#joined.get(roomId) ?? new Set()).add(userId));
  }

  leave(userId: UserId, roomId: RoomId): void {
    this.rooms.get(roomId)?.delete(userId);
    this.#joined.get(roomId)?.delete(userId);
  }

  forgetJoins(): void {
    this.#joined.clear();
  }

  /** Server → local users it is told of because of joins. */
  takeJoins(now: number, outstanding: ReadonlySet<UserId>): Map<string, UserId[]> {
    const pushes = new Map<string, Set<UserId>>();
    const push = (server: string, userId: UserId): void => {
      if (!outstanding.has(userId)) pushes.set(server, (pushes.get(server) ?? new Set()).add(userId));
    };
    for (const [roomId, joined] of this.#isTracked ? this.#joined : []) {
      const members = [...(this.rooms.get(roomId) ?? [])];
      const previous = members.filter((member) => !joined.has(member));
      for (const remote of members.filter((member) => !this.isLocal(member))) {
        const server = serverNameOf(remote);
        for (const userId of joined) {
          const { lastActiveTs, statusMsg } = this.user(userId).record;
          if (!this.isLocal(userId)) continue;
          if (this.#isThere(userId) || lastActiveTs > 0 || statusMsg !== null) push(server, userId);
        }
        if (previous.some((member) => serverNameOf(member) === server)) continue;
        for (const userId of previous.filter((member) => this.isLocal(member))) {
          const { lastActiveTs, statusMsg } = this.user(userId).record;
          const isRecent = lastActiveTs > 0 && now - lastActiveTs <= 7 * 86_400_000;
          if (this.#isThere(userId) || isRecent || statusMsg !== null) push(server, userId);
        }
      }
    }
    this.#joined.clear();
    return new Map([...pushes].map(([server, userIds]) => [server, [...userIds]]));
  }

  put(userId: UserId, deviceId: string, state: PresenceState, statusMsg: string | null, now: number): void {
    const user = this.#begin(userId, now);
    user.restored = null;
    const device = this.#device(user, deviceId);
    Object.assign(device, { state, idled: false, lastActiveTs: now });
    this.#dropDead(user);
    this.#set(user, { state: this.#combined(user), statusMsg });
    this.#activeIfPresent(user, now);
    this.#finish(userId, now);
  }

  beginSync(userId: UserId, deviceId: string, claim: SyncClaim | null, counted: boolean, now: number): void {
    const user = this.user(userId);
    user.openSyncs++;
    if (!user.connected) user.connectedAt = this.allocatedPosition;
    user.connected = true;
    if (!counted || !this.#isTracked) return;
    this.#begin(userId, now);
    const device = this.#device(user, deviceId);
    device.inFlight++;
    if (claim !== null) {
      const before = { ...device };
      const isBusy = this.#isBusy(before.state);
      device.lastSyncTs = now;
      let isActivity = false;
      if (claim.state === 'unavailable') {
        if (!isBusy) Object.assign(device, { state: 'unavailable', idled: false });
      } else if (claim.explicit || before.state === 'offline' || (before.state === 'unavailable' && !before.idled)) {
        isActivity = true;
        device.lastActiveTs = now;
        if (!isBusy) Object.assign(device, { state: 'online', idled: false });
      }
      this.#set(user, { state: this.#combined(user), lastUserSyncTs: now });
      if (isActivity) this.#activeIfPresent(user, now);
    }
    this.#finish(userId, now);
  }

  endSync(userId: UserId, deviceId: string, counted: boolean, now: number): void {
    const user = this.user(userId);
    if (user.openSyncs > 0) {
      user.openSyncs--;
      user.lastEndTs = now;
    }
    const device = user.devices.get(deviceId);
    if (!counted || !this.#isTracked || device === undefined || device.inFlight === 0) return;
    this.#begin(userId, now);
    device.inFlight--;
    if (device.state !== 'offline') {
      device.lastSyncTs = now;
      if (user.restored !== null && this.#isBusy(user.restored.state)) {
        user.restored.endsTs = Math.max(user.restored.endsTs, now + this.options.timers.busyOnlineTimeoutMs);
      }
    }
    this.#dropDead(user);
    this.#set(user, { lastUserSyncTs: now });
    this.#finish(userId, now);
  }

  bump(userId: UserId, deviceId: string, now: number): void {
    const user = this.#begin(userId, now);
    const device = user.devices.get(deviceId);
    if (device !== undefined) {
      if (device.state === 'unavailable') Object.assign(device, { state: 'online', idled: false });
      device.lastActiveTs = now;
    }
    this.#set(user, { lastActiveTs: now, state: this.#combined(user) });
    this.#finish(userId, now);
  }

  removeDevice(userId: UserId, deviceId: string, now: number): void {
    const user = this.#begin(userId, now);
    const device = user.devices.get(deviceId);
    if (device !== undefined || user.restored !== null) {
      user.restored = null;
      if (device !== undefined) Object.assign(device, { state: 'offline', idled: false });
      this.#dropDead(user);
      this.#set(user, { state: this.#combined(user) });
    }
    this.#finish(userId, now);
  }

  setManaged(userId: UserId, managed: ManagedPresence, now: number): void {
    const user = this.#begin(userId, now);
    this.#forced.add(userId);
    if (!this.isLocal(userId)) this.#set(user, { lastFederationUpdateTs: now });
    else if (this.#isTracked) {
      const endsTs = now + (managed.ttlMs ?? this.options.timers.managedTtlMs);
      user.managed = managed.state === 'offline' ? null : { state: managed.state, endsTs };
    }
    this.#set(user, { state: managed.state, statusMsg: managed.statusMsg });
    this.#finish(userId, now);
  }

  receiveRemote(entry: RemotePresence, now: number): void {
    const user = this.#begin(entry.userId, now);
    this.#set(user, {
      state: entry.state,
      statusMsg: entry.statusMsg,
      currentlyActive: entry.currentlyActive,
      lastActiveTs: entry.lastActiveTs ?? user.record.lastActiveTs,
      lastFederationUpdateTs: now,
    });
    this.#finish(entry.userId, now);
  }

  /** Somebody of whom was heard before; nothing if more is known about them. */
  admit(state: UserPresenceState, isForced: boolean, isOutstanding: boolean, now: number): void {
    const { userId, lastFederationUpdateTs } = state;
    if (isOutstanding || this.#before.has(userId) || !this.isBlank(userId)) return;
    this.receiveRemote(state, now);
    this.#set(this.user(userId), { lastFederationUpdateTs });
    if (isForced) this.#forced.add(userId);
  }

  isBlank(userId: UserId): boolean {
    const { record, position } = this.user(userId);
    const { state, statusMsg, lastActiveTs, lastFederationUpdateTs, lastUserSyncTs } = record;
    const isDefault = state === 'offline' && statusMsg === null && position === 0;
    return isDefault && lastActiveTs + lastFederationUpdateTs + lastUserSyncTs === 0;
  }

  /** Whether nothing would be lost for anybody if the user were forgotten; what is still to be told aside. */
  isReleasable(userId: UserId, isCrowded: boolean): boolean {
    const { kept, connected, devices, managed, mark, record, restored } = this.user(userId);
    const all = [...this.users.values()];
    const isNamed = all.some((user) => Array.isArray(user.interest) && user.interest.includes(userId));
    const isTarget = all.some((user) => user.kept.to.has(userId));
    const isInRoom = [...this.rooms.values()].some((members) => members.has(userId));
    const hasDevices = devices.size > 0 || managed !== null || restored !== null;
    if (connected || isNamed || isTarget || isInRoom || hasDevices || mark > 0) return false;
    if (this.isBlank(userId)) return kept.to.size === 0;
    if (this.isLocal(userId)) return false;
    const isSeen = kept.to.size > 0 || all.some((user) => user.interest === 'ALL');
    return !isSeen || (isCrowded && record.state === 'offline');
  }

  /** The user is forgotten, and whatever anybody was told of them. */
  forget(userId: UserId): void {
    const { told } = this.user(userId);
    this.users.delete(userId);
    // As an observer, they may have a token from before.
    this.user(userId).told = told;
    for (const user of this.users.values()) user.told = user.told.filter(({ source }) => source !== userId);
  }

  /** Everybody is looked at; whoever has nothing due is left alone. */
  tick(now: number): void {
    this.#turnTs = Math.max(this.#turnTs, now);
    for (const user of this.users.values()) {
      if (user.connected && user.openSyncs === 0 && user.lastEndTs + this.options.timers.observerLingerMs <= now) {
        user.connected = false;
        user.interest = null;
        user.told = user.told.filter(({ how }) => how !== 'gain');
      }
    }
    if (!this.#isTracked) return;
    for (const userId of this.users.keys()) this.#letTimeAct(userId, now);
  }

  #letTimeAct(userId: UserId, now: number): void {
    const { timers } = this.options;
    const user = this.user(userId);
    if (!this.isLocal(userId)) {
      if (user.record.state === 'offline') return;
      if (user.record.lastFederationUpdateTs + timers.federationTimeoutMs > now) return;
      this.#begin(userId, now);
      this.#set(user, { state: 'offline' });
      this.#finish(userId, now);
      return;
    }
    const wasOffline = user.record.state === 'offline';
    let changed = false;
    const inFlight = [...user.devices.values()].some((device) => device.inFlight > 0 && device.state !== 'offline');
    for (const [deviceId, device] of user.devices) {
      if (device.state === 'offline') continue;
      const grace = this.#isBusy(device.state) ? timers.busyOnlineTimeoutMs : timers.syncOnlineTimeoutMs;
      if (device.inFlight === 0 && Math.max(device.lastSyncTs, device.lastActiveTs) + grace <= now) {
        user.devices.delete(deviceId);
        changed = true;
      } else if (device.state === 'online' && device.lastActiveTs + timers.idleTimeoutMs <= now) {
        Object.assign(device, { state: 'unavailable', idled: true });
        changed = true;
      }
    }
    if (user.managed !== null && user.managed.endsTs <= now) {
      user.managed = null;
      changed = true;
    }
    const keepsBusy = user.restored !== null && this.#isBusy(user.restored.state) && inFlight;
    if (user.restored !== null && user.restored.endsTs <= now && !keepsBusy) {
      user.restored = null;
      changed = true;
    }
    this.#begin(userId, now);
    if (changed && !wasOffline) this.#set(user, { state: this.#combined(user) });
    this.#finish(userId, now);
  }

  // Turns.

  /** What this turn tells, by user id; ends the turn. */
  take(): { updates: ExpectedUpdate[]; pings: UserId[] } {
    const updates: ExpectedUpdate[] = [];
    for (const [userId, before] of this.#before) {
      const user = this.user(userId);
      const reason = this.#reason(before, user.record) ?? (this.#forced.has(userId) ? 'forced' : null);
      if (reason === null) continue;
      if (this.isLocal(userId)) this.#set(user, { lastFederationUpdateTs: this.#turnTs });
      this.#pinged.delete(userId);
      updates.push({ userId, reason, previousState: before.state, state: user.record });
    }
    const pings = [...this.#pinged].filter(
      (userId) => this.user(userId).record.state !== 'offline' && this.#isThere(userId),
    );
    this.#before = new Map();
    this.#forced = new Set();
    this.#pinged = new Set();
    this.#turnTs = 0;
    return { updates, pings: pings.sort() };
  }

  /** Remembers who was told of a published update, and returns the connected ones. */
  publish(update: PresenceUpdate): Set<UserId> {
    const source = update.state.userId;
    this.user(source).position = update.position;
    this.user(source).shown = update.state.state;
    const connected = new Set<UserId>();
    for (const [observer, user] of this.users) {
      if (!this.isLocal(observer) || !this.seesByDefault(observer, source)) continue;
      user.told.push({ source, position: update.position, how: 'update', isVoid: false });
      if (user.connected) connected.add(observer);
    }
    return connected;
  }

  /** Remote servers that default routing tells of a local user. */
  serversOf(source: UserId): Set<string> {
    const servers = new Set<string>();
    if (!this.isLocal(source) || !this.#isTracked) return servers;
    for (const members of this.rooms.values()) {
      if (members.has(source)) for (const member of members) servers.add(serverNameOf(member));
    }
    servers.delete(this.options.serverName);
    return servers;
  }

  /**
   * The routers' answer for one source. Returns connected targets who had not been told, and servers.
   *
   * @param position - of the delivery
   * @param updatedAt - of the update: whom an answer for the same one named before has been told
   */
  route(
    source: UserId,
    answer: RoutingAnswer,
    position: number,
    updatedAt: number,
  ): { woken: Set<UserId>; servers: Set<string> } {
    const targets = (answer.get(source) ?? []).filter((target) => target !== source);
    const local = new Set(targets.filter((target) => this.isLocal(target)));
    for (const target of local) this.user(target);
    const { kept } = this.user(source);
    const known = this.#routedFor.get(source) === updatedAt ? kept.to : new Set<UserId>();
    if (local.size > 0) this.#routedFor.set(source, updatedAt);
    else this.#routedFor.delete(source);
    for (const [userId, user] of this.users) {
      const isTold = known.has(userId) && local.has(userId);
      for (const told of user.told) if (told.source === source && told.how === 'routed' && !isTold) told.isVoid = true;
    }
    this.user(source).kept = { to: local, position: local.size > 0 ? position : 0 };
    const woken = new Set<UserId>();
    for (const target of local) {
      if (known.has(target) || this.seesByDefault(target, source)) continue;
      this.user(target).told.push({ source, position, how: 'routed', isVoid: false });
      if (this.user(target).connected) woken.add(target);
    }
    const servers = new Set<string>();
    if (this.isLocal(source) && this.#isTracked) {
      for (const target of targets) if (!this.isLocal(target)) servers.add(serverNameOf(target));
      const before = this.#routedServers.get(source);
      this.#routedServers.set(source, { servers: new Set(servers), updatedAt });
      for (const server of this.serversOf(source)) servers.delete(server);
      if (before?.updatedAt === updatedAt) for (const server of before.servers) servers.delete(server);
    }
    return { woken, servers };
  }

  /** Returns whom the observer gains: to be told at a fresh position. */
  setInterest(observer: UserId, interest: readonly UserId[] | 'ALL'): UserId[] {
    const user = this.user(observer);
    if (!user.connected) return [];
    const before = user.interest;
    user.interest = interest;
    if (interest === 'ALL') return before === 'ALL' ? [] : [...this.users.keys()].filter((id) => this.#isThere(id));
    for (const source of interest) this.user(source);
    const had = before === null || before === 'ALL' ? [] : before;
    return [...new Set(interest)].filter(
      (source) =>
        !had.includes(source) && this.#isThere(source) && source !== observer && !this.#share(observer, source),
    );
  }

  // Reading.

  /** Positions are compared as the contract says: of the record, or of the routed delivery that made it visible or came later. */
  positionFor(observer: UserId, source: UserId, until: number): number {
    const { position, kept } = this.user(source);
    const own = this.seesByDefault(observer, source) ? position : 0;
    return kept.to.has(observer) && kept.position <= until ? Math.max(own, kept.position) : own;
  }

  /** Whom a sync of `observer` with this token, up to `until`, must tell of. */
  owed(observer: UserId, cursor: PresenceCursor | null, until: number): Set<UserId> {
    const visible = [...this.users.keys()].filter((source) => this.canSee(observer, source));
    if (cursor === null) {
      // What only a delivery still to come makes visible comes with that delivery.
      const isDelivered = (source: UserId): boolean =>
        this.seesByDefault(observer, source) || this.user(source).kept.position <= until;
      return new Set(visible.filter((source) => this.#isThere(source) && isDelivered(source)));
    }
    const { position, resume } = cursor;
    const owed = new Set<UserId>();
    for (const told of this.user(observer).told) {
      const isNew = told.position > position && told.position <= until && !told.isVoid;
      // Who went offline since is not part of a gain, and the update that says so is told by itself.
      const isGone = told.how === 'gain' && !this.#isThere(told.source);
      // A kept answer alone is for the update it was given for; the routers still have to decide about a newer one.
      const { kept, position: newest } = this.user(told.source);
      const isRouted = kept.to.has(observer) && newest <= kept.position && kept.position <= until;
      if (!isRouted && !this.seesByDefault(observer, told.source)) continue;
      if (isNew && !isGone && visible.includes(told.source)) owed.add(told.source);
    }
    if (resume === null) return owed;
    const onlyOffline = resume % 2 === 1;
    for (const source of visible) {
      const at = this.positionFor(observer, source, until);
      const isIn = at > (onlyOffline ? resume - 1 : resume) && at <= position;
      if (isIn && this.#isThere(source) !== onlyOffline) owed.add(source);
    }
    return owed;
  }

  /** Whom that sync may tell of at most, if no snapshot is due. */
  tellable(observer: UserId, cursor: PresenceCursor, until: number): Set<UserId> {
    const tellable = this.owed(observer, cursor, until);
    const told = new Set(
      this.user(observer)
        .told.filter((one) => one.position > cursor.position)
        .map((one) => one.source),
    );
    for (const source of this.users.keys()) {
      if (!this.canSee(observer, source)) continue;
      if (told.has(source) || this.positionFor(observer, source, until) > cursor.position) tellable.add(source);
    }
    return tellable;
  }

  isMarkDue(observer: UserId, cursor: PresenceCursor, until: number): boolean {
    const { mark } = this.user(observer);
    return cursor.position < mark && mark <= until;
  }

  canSee(observer: UserId, target: UserId): boolean {
    return this.seesByDefault(observer, target) || (this.users.get(target)?.kept.to.has(observer) ?? false);
  }

  seesByDefault(observer: UserId, target: UserId): boolean {
    return observer === target || this.#share(observer, target) || this.isInterested(observer, target);
  }

  isInterested(observer: UserId, target: UserId): boolean {
    const interest = this.users.get(observer)?.interest ?? null;
    return interest !== null && (interest === 'ALL' ? this.users.has(target) : interest.includes(target));
  }

  /** Whether anything of the user would still change by time alone. */
  get isQuiet(): boolean {
    return [...this.users.values()].every(
      (user) =>
        user.record.state === 'offline' && user.devices.size === 0 && user.managed === null && user.restored === null,
    );
  }

  #share(observer: UserId, target: UserId): boolean {
    return [...this.rooms.values()].some((members) => members.has(observer) && members.has(target));
  }

  #isThere(userId: UserId): boolean {
    return this.user(userId).shown !== 'offline';
  }

  get #isTracked(): boolean {
    return this.options.mode === 'tracked';
  }

  #isBusy(state: PresenceState): boolean {
    return state === 'org.matrix.msc3026.busy';
  }

  #device(user: User, deviceId: string): Device {
    const device = user.devices.get(deviceId) ?? {
      state: 'offline',
      idled: false,
      lastActiveTs: 0,
      lastSyncTs: 0,
      inFlight: 0,
    };
    user.devices.set(deviceId, device);
    return device;
  }

  #dropDead(user: User): void {
    for (const [deviceId, device] of user.devices) {
      if (device.state === 'offline' && device.inFlight === 0) user.devices.delete(deviceId);
    }
  }

  #combined(user: User): PresenceState {
    const states = [...user.devices.values(), user.managed, user.restored].map((device) => device?.state ?? 'offline');
    return states.reduce<PresenceState>((best, state) => (rank(state) > rank(best) ? state : best), 'offline');
  }

  #begin(userId: UserId, now: number): User {
    const user = this.user(userId);
    this.#turnTs = Math.max(this.#turnTs, now);
    if (!this.#before.has(userId)) this.#before.set(userId, user.record);
    return user;
  }

  #set(user: User, change: Partial<UserPresenceState>): void {
    user.record = { ...user.record, ...change };
  }

  #activeIfPresent(user: User, now: number): void {
    if (rank(user.record.state) >= rank('online')) this.#set(user, { lastActiveTs: now });
  }

  #finish(userId: UserId, now: number): void {
    const { timers } = this.options;
    const user = this.user(userId);
    const { state, lastActiveTs, lastFederationUpdateTs } = user.record;
    if (state !== 'online') this.#set(user, { currentlyActive: false });
    else if (this.isLocal(userId)) {
      this.#set(user, { currentlyActive: now - lastActiveTs < timers.lastActiveGranularityMs });
    }
    if (!this.#isTracked || !this.isLocal(userId) || state === 'offline') return;
    if (now - lastFederationUpdateTs < keepAliveAfterMs(this.#uidOf(userId), timers.federationPingIntervalMs)) return;
    this.#set(user, { lastFederationUpdateTs: now });
    if (this.routersAreAsked || this.serversOf(userId).size > 0) this.#pinged.add(userId);
  }

  #reason(before: UserPresenceState, after: UserPresenceState): NotifyReason | null {
    const advanced = after.lastActiveTs - before.lastActiveTs > this.options.timers.lastActiveGranularityMs;
    if (before.statusMsg !== after.statusMsg) return 'status_msg_change';
    if (before.state !== after.state) return 'state_change';
    if (before.state === 'online') {
      if (before.currentlyActive !== after.currentlyActive) return 'current_active_change';
      return advanced && !after.currentlyActive ? 'last_active_change_online' : null;
    }
    return advanced ? 'last_active_change_not_online' : null;
  }
}
