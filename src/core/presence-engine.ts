/**
 * The presence engine: commands and the time go in, changes and deliveries come out. No I/O, clock, chance or promise.
 *
 * Commands change memory at once. `takeChanges` ends a turn and says what is worth telling; when that is durable, `publish`
 * puts it into the inboxes of connected observers, and `route` adds what the routers say. Only then can `collect` show it.
 * This class is the one list of what can be asked, hence its length; each part has a file of its own.
 */
import type { DeviceId, RoomId, ServerName, UserId } from '../matrix/identifiers.ts';
import type { PresenceState } from '../matrix/presence-state.ts';
import type { EngineCounters } from './counters.ts';
import type {
  CollectOptions,
  Collection,
  Deliveries,
  EngineOptions,
  EngineStats,
  ManagedPresence,
  Observer,
  PresenceUpdate,
  PublishResult,
  RestrictionAnswer,
  RestrictionQuestion,
  RouteResult,
  RoutingAnswer,
  StoredRow,
  SyncClaim,
  TakenTurn,
  TurnChanges,
} from './engine-api.ts';
import { createParts, type EngineParts } from './engine-parts.ts';
import { Form, UNKNOWN } from './forms.ts';
import { EngineView } from './engine-view.ts';
import { factsOf, type PairFacts } from './explain.ts';
import type { InterestAnswer } from './interest.ts';
import type { LocalUsers } from './local-users.ts';
import type { RemoteUsers } from './remote-users.ts';
import { routableUsers } from './routable-users.ts';
import { tickFor } from './tick.ts';
import { TrafficView } from './traffic-view.ts';
import type { UserPresenceState } from './user-presence-state.ts';
import { defaultRecord } from './user-table.ts';

export class PresenceEngine {
  /** `tick` is to be called this often, in ms. */
  readonly tickMs: number;
  /** What concerns only users of other servers. */
  readonly remote: RemoteUsers;
  /** Local users as servers that missed something have to hear of them. */
  readonly local: LocalUsers;
  /** For people who look at it. */
  readonly view: EngineView;
  /** Who is to be told of whom, for the record of traffic. */
  readonly traffic: TrafficView;
  readonly #options: EngineOptions;
  readonly #parts: EngineParts;
  #periodEndsTs = 0;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.tickMs = tickFor(options.timers);
    this.#parts = createParts(options, this.tickMs);
    this.remote = this.#parts.remote;
    this.local = this.#parts.localUsers;
    this.view = new EngineView(this.#parts);
    this.traffic = new TrafficView(this.#parts);
  }

  // Commands.

  /**
   * Loads stored rows, before any other command that concerns their users. Users who were online have the grace, from `now` on, to come
   * back. In `disabled` mode everybody becomes offline, as changes to be told.
   */
  restore(rows: Iterable<StoredRow>, now: number): void {
    this.#parts.turn.at(now);
    for (const { state, position, routedTo, routedPosition } of rows) {
      const uid = this.#parts.users.intern(state.userId);
      this.#parts.users.position[uid] = position;
      this.#parts.records.restore(state, uid, now);
      const { restrictions } = this.#parts;
      if (restrictions.isOn) restrictions.noteGone(uid, state.state === 'offline' ? position : restrictions.onSince);
      const targets = [...new Set(routedTo.map((target) => this.#parts.users.intern(target)))].sort((a, b) => a - b);
      this.#parts.kept.replace(uid, targets, routedPosition, state.state === 'offline');
    }
    this.remote.noteRestored();
  }

  /** Idempotent. Excluded rooms are ignored. What it means for other servers is part of the turn's changes. */
  join(userId: UserId, roomId: RoomId): void {
    if (this.#parts.rooms.isExcluded(roomId)) return;
    const uid = this.#parts.users.intern(userId);
    const room = this.#parts.rooms.join(uid, roomId);
    if (room >= 0 && this.#isTracked) this.#parts.joins.add(room, uid);
  }

  /**
   * Who is joined to a room at the start: no genuine joins, nobody is told. For any number of rooms, then call `endLoading`; nobody may
   * connect, join or leave in between.
   */
  loadJoined(roomId: RoomId, members: readonly UserId[]): void {
    if (this.#parts.rooms.isExcluded(roomId)) return;
    this.#parts.rooms.load(
      roomId,
      members.map((userId) => this.#parts.users.intern(userId)),
    );
  }

  endLoading(): void {
    this.#parts.rooms.endLoading();
  }

  leave(userId: UserId, roomId: RoomId): void {
    const uid = this.#parts.users.find(userId);
    if (uid < 0) return;
    const { joins, partings } = this.#parts;
    const room = this.#parts.rooms.leave(uid, roomId, (left) => {
      // Nobody was told of whoever has joined in this very turn.
      if (this.#isTracked && this.#tellsLoss && !joins.has(left, uid)) partings.add(left, uid);
    });
    if (room >= 0) this.#parts.joins.remove(room, uid);
  }

  /** Whether routers are asked about keep-alives from now on; without, they are due only to whom a server shares a room with. */
  setRoutersAreAsked(areAsked: boolean): void {
    this.#parts.routers.areAsked = areAsked;
  }

  /** `PUT …/status`. A null status message clears it. Ignored unless presence is tracked. */
  setPresence(userId: UserId, deviceId: DeviceId, state: PresenceState, statusMsg: string | null, now: number): void {
    if (this.#isTracked) this.#parts.records.put(this.#parts.users.intern(userId), deviceId, state, statusMsg, now);
  }

  /**
   * A sync begins; it always makes the user a connected observer. `claim` null: no effect on the state (rate-limited).
   * `counted` false: not even in flight for the device (`set_presence=offline`). Every call needs one `endSync`.
   */
  beginSync(userId: UserId, deviceId: DeviceId, claim: SyncClaim | null, counted: boolean, now: number): void {
    const uid = this.#parts.users.intern(userId);
    const slot = this.#parts.observers.beginSync(uid);
    if (slot >= 0) {
      // Whatever was given out until now went to those who were connected then.
      this.#parts.inboxes.open(slot, this.#parts.positions.allocated);
      this.#parts.rooms.attach(uid, slot);
      // What is held up is not for their inbox: they look again when it is there.
      if (this.#parts.positions.isHoldingUp) this.#parts.delivery.wakeFresh([uid]);
    }
    if (counted && this.#isTracked) this.#parts.records.beginSync(uid, deviceId, claim, now);
  }

  endSync(userId: UserId, deviceId: DeviceId, counted: boolean, now: number): void {
    const uid = this.#parts.users.find(userId);
    if (uid < 0) return;
    this.#parts.observers.endSync(uid, now);
    if (counted && this.#isTracked) this.#parts.records.endSync(uid, deviceId, now);
  }

  /** Message, receipt, read marker or typing notification. */
  bumpPresenceActiveTime(userId: UserId, deviceId: DeviceId, now: number): void {
    if (!this.#isTracked) return;
    this.#parts.counters.add('bumps');
    this.#parts.records.bump(this.#parts.users.intern(userId), deviceId, now);
  }

  /** Logout or deletion of a device: its presence ends at once. */
  removeDevice(userId: UserId, deviceId: DeviceId, now: number): void {
    const uid = this.#parts.users.find(userId);
    if (uid >= 0 && this.#isTracked) this.#parts.records.removeDevice(uid, deviceId, now);
  }

  /** Deactivation: offline at once, no status message, not connected any more, no mark. Room memberships are the caller's. */
  removeUser(userId: UserId, now: number): void {
    const uid = this.#parts.users.find(userId);
    if (uid < 0) return;
    this.#parts.records.removeUser(uid, now);
    this.#parts.marks.delete(uid);
    const slot = this.#parts.observers.slotOf(uid);
    if (slot >= 0) this.#detach(slot);
  }

  /** States set by a module, always told. Ignored while presence is disabled. */
  setPresenceForUsers(entries: ReadonlyMap<UserId, ManagedPresence>, now: number): void {
    if (this.#options.mode === 'disabled') return;
    for (const [userId, managed] of entries)
      this.#parts.records.setManaged(this.#parts.users.intern(userId), managed, now);
  }

  /** Lets time act: timers of users, and observers who have been away for too long. Returns the number of timers fired. */
  tick(now: number): number {
    for (let slot = this.#parts.observers.nextToLeave(now); slot >= 0; slot = this.#parts.observers.nextToLeave(now)) {
      this.#detach(slot);
    }
    if (now >= this.#periodEndsTs) {
      this.#periodEndsTs = now + this.#options.timers.observerLingerMs;
      this.#parts.inboxes.beginPeriod();
      this.#parts.rooms.compact();
    }
    this.#parts.turn.at(now);
    const due = this.#parts.wheel.advance(now);
    for (const uid of due) this.#parts.records.expire(uid, now);
    this.#parts.counters.add('timersFired', due.length);
    return due.length;
  }

  /** Ends the turn. Every result with updates is to be published, in order, when it is durable. */
  takeChanges(): TakenTurn {
    const { joins, partings, servers } = this.#parts;
    const changes = this.#parts.turn.take((uid) => this.#parts.records.rearm(uid));
    const joined = servers.restricted(joins.take());
    const parted = partings.take();
    if (parted.size === 0) return { ...changes, joins: joined };
    const both = new Map(parted);
    for (const [server, states] of joined) both.set(server, [...(both.get(server) ?? []), ...states]);
    return { ...changes, joins: both };
  }

  // Deliveries.

  /** Default routing of a durable turn: room mates, the user, those interested, and servers in the rooms. */
  publish(changes: TurnChanges): PublishResult {
    return this.#parts.delivery.publish(changes);
  }

  /** The routers' answer for published updates: replaces what was kept for their users, also by nothing. */
  route(batch: readonly PresenceUpdate[], answer: RoutingAnswer): RouteResult {
    return this.#parts.delivery.route(batch, answer);
  }

  /** The routers' answer for keep-alives: only servers, by name, that default routing does not reach. */
  routePings(pings: readonly PresenceUpdate[], answer: RoutingAnswer): Deliveries['servers'] {
    return this.#parts.delivery.routePings(pings, answer);
  }

  /** What `getInterestedUsers` said about a connected observer. What is gained and not offline is delivered at once. */
  setInterest(userId: UserId, interest: InterestAnswer): Deliveries {
    const observer = this.#parts.users.find(userId);
    const slot = this.#parts.observers.slotOf(observer);
    if (slot < 0) return this.#parts.delivery.wakeFresh([]);
    const { delivery, restrictions, rooms, turn, users, visibility } = this.#parts;
    const isThere = (uid: number): boolean => uid !== observer && !turn.isShownOffline(uid);
    // That they have gone offline may be withheld.
    const mayBeThere = (uid: number): boolean => isThere(uid) || restrictions.withheld.has(uid, observer);
    const away = this.#parts.interest.takeAway(observer);
    const [missed, goneAway] = [away.there, away.gone].map((names) =>
      names.map((userId) => users.find(userId)).filter((uid) => uid >= 0),
    ) as [number[], number[]];
    const change = this.#parts.interest.set(slot, interest);
    const mayBeLost = change.losesAll ? this.#everybody() : change.lost;
    const lost = mayBeLost.filter(mayBeThere);
    // Whoever went offline before was told as that, if not on every device.
    delivery.noteGone(
      slot,
      [...change.lost, ...goneAway].filter((uid) => uid !== observer && !mayBeThere(uid)),
    );
    const gained = change.gained.filter(
      (uid) => (isThere(uid) || visibility.isUndecided(observer, uid)) && !rooms.share(observer, uid),
    );
    const isMany = change.gainsAll || gained.length > this.#options.limits.maxPendingPerObserver / 2;
    if (!isMany) return delivery.tellInterest(slot, gained, lost, missed);
    if (lost.length + missed.length > 0) delivery.tellInterest(slot, [], lost, missed);
    return delivery.tellEverything(slot);
  }

  /** Null unless the user is connected and their interest was set. */
  interestOf(userId: UserId): InterestAnswer | null {
    const slot = this.#parts.observers.slotOf(this.#parts.users.find(userId));
    return slot < 0 ? null : this.#parts.interest.answerOf(slot);
  }

  // Restrictions.

  /** Whether modules restrict, from now on. When none does any more, what was kept back is given. */
  setRestricting(isRestricting: boolean): Deliveries {
    return this.#parts.sight.setRestricting(isRestricting);
  }

  /** Pairs of which something was withheld since the last call because nobody has said in what form, each once. */
  takeQuestions(): RestrictionQuestion[] {
    return this.#parts.restrictions.takeQuestions();
  }

  /** Who is there, and would be seen by a local user if somebody said in what form: to be asked before their first sync. Withholds nothing. */
  questionsFor(observer: UserId): RestrictionQuestion[] {
    const uid = this.#parts.users.find(observer);
    return uid < 0 || !this.#parts.restrictions.isOn ? [] : this.#parts.sight.questionsFor(uid);
  }

  /** Everybody whom an answer about the source concerns now; null for nobody. */
  questionAbout(source: UserId): RestrictionQuestion | null {
    const uid = this.#parts.users.find(source);
    return uid < 0 || !this.#parts.restrictions.isOn ? null : this.#parts.sight.questionAbout(uid);
  }

  /** Sources about which anything was said, or is to be. */
  answeredSources(): UserId[] {
    const { restrictions } = this.#parts;
    const uids = new Set([...restrictions.sources(), ...restrictions.withheld.sources()]);
    return Array.from(uids, (uid) => this.userId(uid));
  }

  /** What modules say about a source: whoever loses or gains sight of it is told, and what was withheld is given. */
  restrict(source: UserId, asked: readonly Observer[], answer: RestrictionAnswer): Deliveries {
    const uid = this.#parts.users.find(source);
    if (uid < 0) return this.#parts.delivery.wakeFresh([]);
    return this.#parts.sight.restrict(uid, asked, answer);
  }

  /** In what form the observer gets the target: `DENIED` if nothing lets them, `UNKNOWN` if nobody has said. Withholds nothing. */
  formFor(observer: Observer, target: UserId): Form {
    if (observer === target) return Form.FULL;
    const { restrictions, servers, users, visibility } = this.#parts;
    const source = users.find(target);
    if (source < 0) return Form.DENIED;
    const key = restrictions.keyOf(observer);
    if (typeof key === 'number') return visibility.formFor(key, source);
    return key !== null && servers.isToldOf(key, source) ? restrictions.formOfServer(source, key) : Form.DENIED;
  }

  /** In what form a server may get the user, whoever sends them: rooms and routers apart. */
  formForServer(server: ServerName, uid: number): Form {
    return this.#parts.restrictions.formOfServer(uid, server);
  }

  /** Marks users: the next sync of each of their devices is a full snapshot. Connected ones are woken. */
  markFullPresence(
    users: readonly UserId[],
    _now?: number,
  ): { marks: ReadonlyMap<UserId, number>; deliveries: Deliveries } {
    const marks = new Map<UserId, number>();
    for (const userId of users) marks.set(userId, this.#parts.positions.next());
    this.restoreMarks(marks);
    const woken = Array.from(marks.keys(), (userId) => this.#parts.users.find(userId));
    return { marks, deliveries: this.#parts.delivery.wakeFresh(woken) };
  }

  restoreMarks(marks: ReadonlyMap<UserId, number>): void {
    for (const [userId, position] of marks) this.#parts.marks.set(this.#parts.users.intern(userId), position);
  }

  forgetMark(userId: UserId): void {
    this.#parts.marks.delete(this.#parts.users.find(userId));
  }

  // Reading.

  /** Whether `observer` may see `target`, on every path, if only as offline. Everybody sees themself; not: while nobody has said. */
  canSee(observer: UserId, target: UserId): boolean {
    const form = this.formFor(observer, target);
    return form !== UNKNOWN && (form & Form.DENIED) === 0;
  }

  /** The current record, published or not; of somebody unknown, the offline default. */
  stateOf(userId: UserId): UserPresenceState {
    const uid = this.#parts.users.find(userId);
    return uid < 0 ? defaultRecord(userId) : this.#parts.users.record(uid);
  }

  /** The record of a collected user; the same as `shownState`. */
  state(uid: number): UserPresenceState {
    return this.shownState(uid);
  }

  /** The record as observers may see it: without changes worth telling that are not published yet. */
  shownState(uid: number): UserPresenceState {
    return this.#parts.turn.shownRecord(uid);
  }

  /** Whether the open turn would tell about the user if it ended now. */
  isWorthTelling(userId: UserId): boolean {
    return this.#parts.turn.isWorthTelling(this.#parts.users.find(userId));
  }

  userId(uid: number): UserId {
    return this.#parts.users.ids.name(uid);
  }

  /** Dense id, or -1 if the engine has not heard of the user. */
  uidOf(userId: UserId): number {
    return this.#parts.users.find(userId);
  }

  /** What a sync of `observer` is to be told. */
  collect(observer: UserId, options: CollectOptions): Collection {
    return this.#parts.collector.collect(this.#parts.users.intern(observer), options);
  }

  /** Highest published position. */
  get position(): number {
    return this.#parts.positions.published;
  }

  /** Highest position given out, published or not: to be reserved before a token that contains it leaves. */
  get allocatedPosition(): number {
    return this.#parts.positions.allocated;
  }

  isConnected(userId: UserId): boolean {
    return this.#parts.observers.slotOf(this.#parts.users.find(userId)) >= 0;
  }

  /** Whether `observer` is connected and their `getInterestedUsers` answer names `target` or everybody. */
  interestedIn(observer: UserId, target: UserId): boolean {
    const [observerUid, targetUid] = [this.#parts.users.find(observer), this.#parts.users.find(target)];
    return observerUid >= 0 && targetUid >= 0 && this.#parts.visibility.isInterested(observerUid, targetUid);
  }

  /** Connected observers whose answer names `source`; those who want everybody are not listed. */
  connectedInterestedIn(source: UserId): UserId[] {
    const list = this.#parts.interest.watchersOf(this.#parts.users.find(source));
    if (list < 0) return [];
    return this.#parts.interest.watchers
      .values(list)
      .map((slot) => this.userId(this.#parts.observers.uid[slot] as number));
  }

  /** Connected observers who want everybody. */
  connectedInterestedInAll(): UserId[] {
    return this.#parts.interest.everybody.map((slot) => this.userId(this.#parts.observers.uid[slot] as number));
  }

  /** What decides about the pair, for explanations: at most `maxRooms` rooms by name. */
  factsOf(observer: Observer, target: UserId, maxRooms: number): PairFacts {
    return factsOf(this.#parts, observer, target, maxRooms);
  }

  /** Remote servers that default routing sends the user's presence to. */
  remoteServersOf(userId: UserId): ServerName[] {
    const uid = this.#parts.users.find(userId);
    return uid < 0 ? [] : this.#parts.servers.serversOf(uid);
  }

  /** Non-offline local users whom a remote user may see: by shared rooms, kept answers, and `interest`. */
  localStatesFor(userId: UserId, interest: InterestAnswer): UserPresenceState[] {
    const uids = this.#parts.visibility.localUsersFor(this.#parts.users.find(userId), interest);
    return uids.map((uid) => this.#parts.users.record(uid));
  }

  /** The row to save for a user; its position is that of the last update taken, published or not. */
  rowOf(uid: number): StoredRow {
    return {
      state: this.#parts.users.record(uid),
      position: this.#parts.turn.savedPosition(uid),
      routedTo: this.#parts.kept.targets(uid).map((target) => this.userId(target)),
      routedPosition: this.#parts.kept.position(uid),
    };
  }

  /** Rows that differ from the saved ones in nothing that is told: activity, syncs, keep-alives. Moves no position. */
  drainUnpersisted(): StoredRow[] {
    return this.#parts.turn.takeUnpersisted().map((uid) => this.rowOf(uid));
  }

  /** Users with dense ids from `from` to below `to` whom routers show to somebody, or might: as updates that were told. */
  routable(from: number, to: number): PresenceUpdate[] {
    return routableUsers(this.#parts, from, to);
  }

  /** Whether an answer of the routers is in effect for anybody. */
  get hasKeptAnswers(): boolean {
    return this.#parts.kept.size > 0;
  }

  stats(): EngineStats {
    return {
      users: this.#parts.users.ids.size,
      rooms: this.#parts.rooms.size,
      timers: this.#parts.wheel.size,
      observers: this.#parts.observers.size,
      devices: this.#parts.records.devices.size,
      pending: this.#parts.inboxes.entries,
      keptAnswers: this.#parts.kept.size,
      fullPresenceMarks: this.#parts.marks.size,
      unpersisted: this.#parts.turn.unpersistedCount,
      restrictions: this.#parts.restrictions.pairs,
      withheld: this.#parts.restrictions.withheld.size,
      listBytes:
        this.#parts.rooms.bytes + this.#parts.inboxes.bytes + this.#parts.interest.bytes + this.#parts.kept.bytes,
    };
  }

  /** Counted since the last call. */
  takeCounters(): EngineCounters {
    this.#parts.counters.add('inboxOverflows', this.#parts.inboxes.takeOverflows());
    this.#parts.counters.add('restrictionsEvicted', this.#parts.restrictions.takeEvictions());
    return this.#parts.counters.take();
  }

  #everybody(): number[] {
    const { users } = this.#parts;
    const uids: number[] = [];
    for (let uid = 0; uid < users.bound; uid++) if (users.isUsed(uid)) uids.push(uid);
    return uids;
  }

  get #tellsLoss(): boolean {
    return this.#options.tellsLoss ?? true;
  }

  get #isTracked(): boolean {
    return this.#options.mode === 'tracked';
  }

  #detach(slot: number): void {
    const uid = this.#parts.observers.uid[slot] as number;
    this.#parts.rooms.detach(uid, slot);
    const { inboxes, interest, restrictions, turn, users } = this.#parts;
    const wanted = interest.wantsAll(slot) ? this.#everybody() : interest.wantedBy(slot);
    const open = wanted.filter((one) => restrictions.mayHaveSeen(one, uid));
    const names = (uids: readonly number[]): UserId[] => uids.map((one) => users.ids.name(one));
    // Of everybody, only those of whom a device that was here need not know.
    const known = interest.wantsAll(slot) ? (inboxes.floor[slot] as number) : 0;
    const isNew = (one: number): boolean => (users.position[one] as number) > known;
    interest.keepAway(uid, {
      there: names(open.filter((one) => !turn.isShownOffline(one))),
      gone: names(open.filter((one) => turn.isShownOffline(one) && isNew(one))),
    });
    this.#parts.interest.forget(slot);
    this.#parts.inboxes.close(slot);
    this.#parts.observers.release(slot);
  }
}
