/**
 * The presence engine: commands and the time go in, changes and deliveries come out. No I/O, clock, chance or promise.
 *
 * Commands change memory at once. `takeChanges` ends a turn and says what is worth telling; when that is durable, `publish`
 * puts it into the inboxes of connected observers, and `route` adds what the routers say. Only then can `collect` show it.
 * This class is the one list of what can be asked, hence its length; each part has a file of its own.
 */
import type { DeviceId, RoomId, ServerName, UserId } from '../matrix/identifiers.ts';
import type { PresenceState } from '../matrix/presence-state.ts';
import { Collector } from './collect.ts';
import { Counters, type EngineCounters } from './counters.ts';
import { Delivery } from './delivery.ts';
import type {
  CollectOptions,
  Collection,
  Deliveries,
  EngineOptions,
  EngineStats,
  ManagedPresence,
  PresenceUpdate,
  RemotePresence,
  RouteResult,
  RoutingAnswer,
  StoredRow,
  SyncClaim,
  TurnChanges,
} from './engine-api.ts';
import { Inboxes } from './inboxes.ts';
import { Interest, type InterestAnswer } from './interest.ts';
import { KeptAnswers } from './kept-answers.ts';
import { Observers } from './observers.ts';
import { Positions } from './positions.ts';
import { Records } from './records.ts';
import { Rooms } from './rooms.ts';
import { tickFor } from './tick.ts';
import { TimerWheel } from './timer-wheel.ts';
import { Turn } from './turn.ts';
import type { UserPresenceState } from './user-presence-state.ts';
import { defaultRecord, UserTable } from './user-table.ts';
import { Visibility } from './visibility.ts';

export class PresenceEngine {
  /** `tick` is to be called this often, in ms. */
  readonly tickMs: number;
  readonly #options: EngineOptions;
  readonly #users: UserTable;
  readonly #positions: Positions;
  readonly #counters = new Counters();
  readonly #wheel: TimerWheel;
  readonly #turn: Turn;
  readonly #records: Records;
  readonly #observers: Observers;
  readonly #rooms: Rooms;
  readonly #inboxes: Inboxes;
  readonly #interest: Interest;
  readonly #kept: KeptAnswers;
  readonly #visibility: Visibility;
  readonly #delivery: Delivery;
  readonly #collector: Collector;
  readonly #marks = new Map<number, number>();
  #periodEndsTs = 0;

  constructor(options: EngineOptions) {
    const { limits, mode, timers } = options;
    this.#options = options;
    this.tickMs = tickFor(timers);
    const users = new UserTable(options.serverName);
    const positions = new Positions(options.startPosition);
    const turn = new Turn(users, positions, this.#counters, timers.lastActiveGranularityMs);
    const observers = new Observers(users, timers.observerLingerMs);
    const rooms = new Rooms(users, options.excludedRooms, (slot) => observers.uid[slot] as number);
    const inboxes = new Inboxes(users, limits.maxPendingPerObserver);
    const interest = new Interest(users);
    const kept = new KeptAnswers(users);
    const visibility = new Visibility(users, rooms, observers, interest, kept);
    const parts = { users, rooms, observers, inboxes, interest, kept, visibility, positions, turn };
    this.#wheel = new TimerWheel(this.tickMs);
    this.#records = new Records(users, turn, this.#wheel, timers, mode);
    this.#delivery = new Delivery(parts, limits.maxRoutedPerUser, mode === 'tracked');
    this.#collector = new Collector({
      ...parts,
      delivery: this.#delivery,
      counters: this.#counters,
      marks: this.#marks,
    });
    this.#users = users;
    this.#positions = positions;
    this.#turn = turn;
    this.#observers = observers;
    this.#rooms = rooms;
    this.#inboxes = inboxes;
    this.#interest = interest;
    this.#kept = kept;
    this.#visibility = visibility;
  }

  // Commands.

  /**
   * Loads stored rows, before any other command that concerns their users. Users who were online have the grace, from `now` on, to come
   * back. In `disabled` mode everybody becomes offline, as changes to be told.
   */
  restore(rows: Iterable<StoredRow>, now: number): void {
    for (const { state, position, routedTo, routedPosition } of rows) {
      const uid = this.#users.intern(state.userId);
      this.#users.position[uid] = position;
      this.#records.restore(state, uid, now);
      const targets = [...new Set(routedTo.map((target) => this.#users.intern(target)))].sort((a, b) => a - b);
      this.#kept.replace(uid, targets, routedPosition);
    }
  }

  /** Idempotent. Excluded rooms are ignored. */
  join(userId: UserId, roomId: RoomId): void {
    if (!this.#rooms.isExcluded(roomId)) this.#rooms.join(this.#users.intern(userId), roomId);
  }

  leave(userId: UserId, roomId: RoomId): void {
    const uid = this.#users.find(userId);
    if (uid >= 0) this.#rooms.leave(uid, roomId);
  }

  /** `PUT …/status`. A null status message clears it. Ignored unless presence is tracked. */
  setPresence(userId: UserId, deviceId: DeviceId, state: PresenceState, statusMsg: string | null, now: number): void {
    if (this.#isTracked) this.#records.put(this.#users.intern(userId), deviceId, state, statusMsg, now);
  }

  /**
   * A sync begins; it always makes the user a connected observer. `claim` null: no effect on the state (rate-limited).
   * `counted` false: not even in flight for the device (`set_presence=offline`). Every call needs one `endSync`.
   */
  beginSync(userId: UserId, deviceId: DeviceId, claim: SyncClaim | null, counted: boolean, now: number): void {
    const uid = this.#users.intern(userId);
    const slot = this.#observers.beginSync(uid);
    if (slot >= 0) {
      this.#inboxes.open(slot, this.#positions.published);
      this.#rooms.attach(uid, slot);
    }
    if (counted && this.#isTracked) this.#records.beginSync(uid, deviceId, claim, now);
  }

  endSync(userId: UserId, deviceId: DeviceId, counted: boolean, now: number): void {
    const uid = this.#users.find(userId);
    if (uid < 0) return;
    this.#observers.endSync(uid, now);
    if (counted && this.#isTracked) this.#records.endSync(uid, deviceId, now);
  }

  /** Message, receipt, read marker or typing notification. */
  bumpPresenceActiveTime(userId: UserId, deviceId: DeviceId, now: number): void {
    if (!this.#isTracked) return;
    this.#counters.add('bumps');
    this.#records.bump(this.#users.intern(userId), deviceId, now);
  }

  /** Logout or deletion of a device: its presence ends at once. */
  removeDevice(userId: UserId, deviceId: DeviceId, now: number): void {
    const uid = this.#users.find(userId);
    if (uid >= 0 && this.#isTracked) this.#records.removeDevice(uid, deviceId, now);
  }

  /** Deactivation: offline at once, no status message, not connected any more, no mark. Room memberships are the caller's. */
  removeUser(userId: UserId, now: number): void {
    const uid = this.#users.find(userId);
    if (uid < 0) return;
    this.#records.removeUser(uid, now);
    this.#marks.delete(uid);
    const slot = this.#observers.slotOf(uid);
    if (slot >= 0) this.#detach(slot);
  }

  /** States set by a module, always told. Ignored while presence is disabled. */
  setPresenceForUsers(entries: ReadonlyMap<UserId, ManagedPresence>, now: number): void {
    if (this.#options.mode === 'disabled') return;
    for (const [userId, managed] of entries) this.#records.setManaged(this.#users.intern(userId), managed, now);
  }

  /** Checked entries of an EDU. Those of local users, and all unless presence is tracked, are ignored. */
  receiveRemote(entries: readonly RemotePresence[], now: number): void {
    if (!this.#isTracked) return;
    for (const entry of entries) {
      const uid = this.#users.intern(entry.userId);
      if (this.#users.isLocal(uid)) continue;
      this.#counters.add('remoteEntries');
      this.#records.receiveRemote(uid, entry, now);
    }
  }

  /** Lets time act: timers of users, and observers who have been away for too long. Returns the number of timers fired. */
  tick(now: number): number {
    for (let slot = this.#observers.nextToLeave(now); slot >= 0; slot = this.#observers.nextToLeave(now)) {
      this.#detach(slot);
    }
    if (now >= this.#periodEndsTs) {
      this.#periodEndsTs = now + this.#options.timers.observerLingerMs;
      this.#inboxes.beginPeriod();
    }
    const due = this.#wheel.advance(now);
    for (const uid of due) this.#records.expire(uid, now);
    this.#counters.add('timersFired', due.length);
    return due.length;
  }

  /** Ends the turn. Every result with updates is to be published, in order, when it is durable. */
  takeChanges(): TurnChanges {
    return this.#turn.take((uid) => this.#records.rearm(uid));
  }

  // Deliveries.

  /** Default routing of a durable turn: room mates, the user, those interested, and servers in the rooms. */
  publish(changes: TurnChanges): Deliveries {
    return this.#delivery.publish(changes);
  }

  /** The routers' answer for published updates: replaces what was kept for their users, also by nothing. */
  route(batch: readonly PresenceUpdate[], answer: RoutingAnswer): RouteResult {
    return this.#delivery.route(batch, answer);
  }

  /** The routers' answer for keep-alives: only servers, by name, that default routing does not reach. */
  routePings(pings: readonly PresenceUpdate[], answer: RoutingAnswer): Deliveries['servers'] {
    return this.#delivery.routePings(pings, answer);
  }

  /** What `getInterestedUsers` said about a connected observer. What is gained and not offline is delivered at once. */
  setInterest(userId: UserId, interest: InterestAnswer): Deliveries {
    const observer = this.#users.find(userId);
    const slot = this.#observers.slotOf(observer);
    if (slot < 0) return this.#delivery.wakeFresh([]);
    const shared = (uid: number): boolean => uid === observer || this.#rooms.share(observer, uid);
    const gain = this.#interest.set(slot, interest);
    const uids = gain.uids.filter((uid) => !this.#users.isOffline(uid) && !shared(uid));
    if (!gain.all && uids.length <= this.#options.limits.maxPendingPerObserver / 2) {
      return this.#delivery.tellAnew(slot, uids);
    }
    this.#inboxes.snapshotAt[slot] = this.#positions.next();
    return this.#delivery.wakeFresh([observer]);
  }

  /** Null unless the user is connected and their interest was set. */
  interestOf(userId: UserId): InterestAnswer | null {
    const slot = this.#observers.slotOf(this.#users.find(userId));
    return slot < 0 ? null : this.#interest.answerOf(slot);
  }

  /** Marks users: the next sync of each of their devices is a full snapshot. Connected ones are woken. */
  markFullPresence(
    users: readonly UserId[],
    _now?: number,
  ): { marks: ReadonlyMap<UserId, number>; deliveries: Deliveries } {
    const marks = new Map<UserId, number>();
    for (const userId of users) marks.set(userId, this.#positions.next());
    this.restoreMarks(marks);
    const woken = Array.from(marks.keys(), (userId) => this.#users.find(userId));
    return { marks, deliveries: this.#delivery.wakeFresh(woken) };
  }

  restoreMarks(marks: ReadonlyMap<UserId, number>): void {
    for (const [userId, position] of marks) this.#marks.set(this.#users.intern(userId), position);
  }

  forgetMark(userId: UserId): void {
    this.#marks.delete(this.#users.find(userId));
  }

  // Reading.

  /** Whether `observer` may see `target`, on every path. Everybody sees themself. */
  canSee(observer: UserId, target: UserId): boolean {
    if (observer === target) return true;
    const [observerUid, targetUid] = [this.#users.find(observer), this.#users.find(target)];
    return observerUid >= 0 && targetUid >= 0 && this.#visibility.canSee(observerUid, targetUid);
  }

  /** The current record; of somebody unknown, the offline default. */
  stateOf(userId: UserId): UserPresenceState {
    const uid = this.#users.find(userId);
    return uid < 0 ? defaultRecord(userId) : this.#users.record(uid);
  }

  state(uid: number): UserPresenceState {
    return this.#users.record(uid);
  }

  /** The record as observers may see it: without changes worth telling that are not published yet. */
  shownState(uid: number): UserPresenceState {
    return this.#turn.shownRecord(uid);
  }

  /** Whether the open turn would tell about the user if it ended now. */
  isWorthTelling(userId: UserId): boolean {
    return this.#turn.isWorthTelling(this.#users.find(userId));
  }

  userId(uid: number): UserId {
    return this.#users.ids.name(uid);
  }

  /** Dense id, or -1 if the engine has not heard of the user. */
  uidOf(userId: UserId): number {
    return this.#users.find(userId);
  }

  /** What a sync of `observer` is to be told. */
  collect(observer: UserId, options: CollectOptions): Collection {
    return this.#collector.collect(this.#users.intern(observer), options);
  }

  /** Highest published position. */
  get position(): number {
    return this.#positions.published;
  }

  /** Highest position given out, published or not: to be reserved before a token that contains it leaves. */
  get allocatedPosition(): number {
    return this.#positions.allocated;
  }

  isConnected(userId: UserId): boolean {
    return this.#observers.slotOf(this.#users.find(userId)) >= 0;
  }

  /** Whether `observer` is connected and their `getInterestedUsers` answer names `target` or everybody. */
  interestedIn(observer: UserId, target: UserId): boolean {
    const [observerUid, targetUid] = [this.#users.find(observer), this.#users.find(target)];
    return observerUid >= 0 && targetUid >= 0 && this.#visibility.isInterested(observerUid, targetUid);
  }

  /** Connected observers whose answer names `source`; those who want everybody are not listed. */
  connectedInterestedIn(source: UserId): UserId[] {
    const list = this.#interest.watchersOf(this.#users.find(source));
    if (list < 0) return [];
    return this.#interest.watchers.values(list).map((slot) => this.userId(this.#observers.uid[slot] as number));
  }

  /** Connected observers who want everybody. */
  connectedInterestedInAll(): UserId[] {
    return this.#interest.everybody.map((slot) => this.userId(this.#observers.uid[slot] as number));
  }

  /** Whether the presence of `userId` can matter to anybody here: a room, an interest or a routing answer names them. */
  isOfInterest(userId: UserId): boolean {
    const uid = this.#users.find(userId);
    if (this.#interest.everybody.length > 0) return true;
    return uid >= 0 && (this.#rooms.ofUser.size(uid) > 0 || this.#interest.watchersOf(uid) >= 0);
  }

  /** Remote servers that default routing sends the user's presence to. */
  remoteServersOf(userId: UserId): ServerName[] {
    const uid = this.#users.find(userId);
    return uid < 0 ? [] : this.#delivery.serversOf(uid);
  }

  /** Non-offline local users whom a remote user may see: by shared rooms, kept answers, and `interest`. */
  localStatesFor(userId: UserId, interest: InterestAnswer): UserPresenceState[] {
    const uids = this.#visibility.localUsersFor(this.#users.intern(userId), interest);
    return uids.map((uid) => this.#users.record(uid));
  }

  /** The row to save for a user; its position is that of the last update taken, published or not. */
  rowOf(uid: number): StoredRow {
    return {
      state: this.#users.record(uid),
      position: this.#turn.savedPosition(uid),
      routedTo: this.#kept.targets(uid).map((target) => this.userId(target)),
      routedPosition: this.#kept.position(uid),
    };
  }

  /** Rows that differ from the saved ones in nothing that is told: activity, syncs, keep-alives. Moves no position. */
  drainUnpersisted(): StoredRow[] {
    return this.#turn.takeUnpersisted().map((uid) => this.rowOf(uid));
  }

  stats(): EngineStats {
    return {
      users: this.#users.ids.size,
      rooms: this.#rooms.size,
      timers: this.#wheel.size,
      observers: this.#observers.size,
      devices: this.#records.devices.size,
      pending: this.#inboxes.entries,
      keptAnswers: this.#kept.size,
      fullPresenceMarks: this.#marks.size,
      unpersisted: this.#turn.unpersistedCount,
      listBytes: this.#rooms.bytes + this.#inboxes.bytes + this.#interest.bytes + this.#kept.bytes,
    };
  }

  /** Counted since the last call. */
  takeCounters(): EngineCounters {
    this.#counters.add('inboxOverflows', this.#inboxes.takeOverflows());
    return this.#counters.take();
  }

  get #isTracked(): boolean {
    return this.#options.mode === 'tracked';
  }

  #detach(slot: number): void {
    const uid = this.#observers.uid[slot] as number;
    this.#rooms.detach(uid, slot);
    this.#interest.forget(slot);
    this.#inboxes.close(slot);
    this.#observers.release(slot);
  }
}
