/**
 * Who is told: default routing of a published turn, routed targets, and what gains and marks bring.
 *
 * Everything local goes through the observers' inboxes; whoever got something is woken. The cost of an update
 * is that of the connected observers who get it, and of the remote servers in its rooms.
 * Long, because publishing, routing and what is held up meanwhile share the state of one delivery.
 */
import { Stamps } from './columns.ts';
import type {
  Deliveries,
  KeptChange,
  PresenceUpdate,
  PublishResult,
  RouteResult,
  RoutingAnswer,
  TurnChanges,
} from './engine-api.ts';
import { Form, isHidden, UNKNOWN } from './forms.ts';
import type { Farewells } from './farewells.ts';
import type { Inboxes } from './inboxes.ts';
import type { Interest } from './interest.ts';
import type { KeptAnswers } from './kept-answers.ts';
import type { Observers } from './observers.ts';
import type { Positions } from './positions.ts';
import type { Restrictions } from './restrictions.ts';
import type { Rooms } from './rooms.ts';
import type { ServerDelivery } from './server-delivery.ts';
import { TargetReader } from './routed-targets.ts';
import type { Turn } from './turn.ts';
import type { UserTable } from './user-table.ts';
import type { Visibility } from './visibility.ts';

export interface DeliveryParts {
  readonly users: UserTable;
  readonly rooms: Rooms;
  readonly observers: Observers;
  readonly inboxes: Inboxes;
  readonly interest: Interest;
  readonly kept: KeptAnswers;
  readonly visibility: Visibility;
  readonly positions: Positions;
  readonly turn: Turn;
  readonly restrictions: Restrictions;
  readonly farewells: Farewells;
  readonly servers: ServerDelivery;
}

const NO_OBSERVERS = new Uint32Array(0);
const WAKE_UP = -1;
/** Beyond it, while the store does not answer, observers get a snapshot instead. */
const MAX_DEFERRED = 100_000;

export class Delivery {
  readonly #parts: DeliveryParts;
  readonly #targets: TargetReader;
  /** Whether who goes out of sight is told as offline. */
  readonly #tellsLoss: boolean;
  /** Observers who already have the update at hand. */
  readonly #told = new Stamps();
  readonly #woken = new Stamps();
  #wakeList = new Uint32Array(64);
  #wakeCount = 0;
  /**
   * Entries at fresh positions that an earlier turn, which is being made durable, holds up: in order of their positions. Inboxes get them
   * after that turn's, so that they stay in order, too. Without a source it is only a wake-up.
   */
  #deferred: { readonly observer: number; readonly position: number; readonly source: number }[] = [];
  /** Observers (by uid) whose snapshot is held up in the same way, with its position; in the order of positions. */
  readonly #snapshotsDue = new Map<number, number>();
  #pairs = 0;
  /** Source → position of the update that its kept answer is about. */
  readonly #routed = new Map<number, number>();
  /** Of the update that is being told: whether it may have to be kept from somebody, and what keeps all of it from them. */
  #isRestricted = false;
  #hiddenBy: Form = Form.FULL;

  constructor(parts: DeliveryParts, maxRoutedPerUser: number, tellsLoss: boolean) {
    this.#parts = parts;
    this.#targets = new TargetReader(parts.users, maxRoutedPerUser);
    this.#tellsLoss = tellsLoss;
  }

  /** Whether something waits for a turn that is being made durable. */
  get isHoldingUp(): boolean {
    return this.#deferred.length > 0 || this.#snapshotsDue.size > 0;
  }

  publish(changes: TurnChanges): PublishResult {
    const { positions, servers, turn } = this.#parts;
    this.begin();
    for (const update of changes.updates) {
      turn.published(update);
      this.#flushDeferred(update.position);
      this.#tellObservers(update);
      servers.tellRooms(update);
    }
    positions.closeTurns(changes.position);
    this.#flushDeferred(positions.published);
    const deliveries = this.#finish();
    servers.begin();
    for (const ping of changes.pings) servers.tellRooms(ping);
    return { ...deliveries, keepAlives: servers.told };
  }

  route(batch: readonly PresenceUpdate[], answer: RoutingAnswer): RouteResult {
    this.begin();
    const kept: KeptChange[] = [];
    let dropped = 0;
    for (const update of batch) {
      const userId = update.state.userId;
      if (!this.#isStill(update)) continue;
      const { local, servers, dropped: over } = this.#targets.read(update.uid, answer.get(userId) ?? []);
      dropped += over;
      this.#parts.servers.tellRouted(update, servers, this.#parts.servers.toldOf(update));
      this.#tellUnroutedServers(update, servers);
      if (local.length === 0 && this.#parts.kept.position(update.uid) === 0) continue;
      kept.push({ userId, ...this.#keep(update, local) });
    }
    return { ...this.finishFresh(), kept, dropped };
  }

  /** Default routing of what was told before, to servers only. */
  tellServersAgain(updates: readonly PresenceUpdate[]): Deliveries['servers'] {
    this.begin();
    for (const update of updates) this.#parts.servers.tellRooms(update);
    return this.#finish().servers;
  }

  /** Servers that routers name for keep-alives: no local user is told and nothing is kept. */
  routePings(pings: readonly PresenceUpdate[], answer: RoutingAnswer): Deliveries['servers'] {
    this.begin();
    for (const ping of pings) {
      if (!this.#isStill(ping)) continue;
      // A newer update has been told meanwhile: where that goes is for the routers to say.
      if ((this.#parts.users.position[ping.uid] as number) > ping.position) continue;
      const { servers } = this.#targets.read(ping.uid, answer.get(ping.state.userId) ?? []);
      this.#parts.servers.tellRouted(ping, servers);
    }
    return this.#finish().servers;
  }

  /** Tells one observer about users, at fresh positions. */
  tellAnew(slot: number, uids: readonly number[]): Deliveries {
    this.begin();
    for (const uid of uids) this.pushFresh(slot, this.#parts.positions.next(), uid);
    return this.finishFresh();
  }

  /**
   * What a new interest of the observer brings: whom it makes visible, and whom it makes invisible. `missed`: whom they saw before they went
   * away.
   */
  tellInterest(
    slot: number,
    gained: readonly number[],
    lost: readonly number[],
    missed: readonly number[] = [],
  ): Deliveries {
    const { observers, positions, restrictions } = this.#parts;
    const observer = observers.uid[slot] as number;
    this.begin();
    for (const uid of gained) {
      const form = restrictions.form(uid, observer);
      if (form === UNKNOWN) restrictions.withheld.add(uid, observer);
      // Whoever is hidden may have been lost out of sight.
      else this.pushFresh(slot, positions.next(), uid);
    }
    for (const uid of lost) this.#tellLost(observer, uid, positions.next());
    for (const uid of missed) this.#tellLost(observer, uid, positions.next(), true);
    return this.finishFresh();
  }

  /** Tells one observer about users whom they see no more, at fresh positions. */
  tellGone(slot: number, uids: readonly number[]): void {
    this.begin();
    for (const uid of uids) {
      const position = this.#parts.positions.next();
      this.tellOffline(this.#parts.observers.uid[slot] as number, uid, position);
      this.pushFresh(slot, position, uid);
    }
    this.finishFresh();
  }

  /** The observer's next sync is told of everybody visible. */
  tellEverything(slot: number): Deliveries {
    this.begin();
    const { inboxes, positions } = this.#parts;
    const position = positions.next();
    if (positions.isWaiting) this.#deferSnapshot(slot, position);
    else {
      inboxes.snapshotAt[slot] = position;
      this.#wake(slot);
    }
    return this.finishFresh();
  }

  /** Wakes observers for something that is not in their inboxes, at positions just given out. */
  wakeFresh(uids: Iterable<number>): Deliveries {
    this.begin();
    const { positions } = this.#parts;
    for (const observer of uids) {
      const slot = this.#parts.observers.slotOf(observer);
      if (slot < 0) continue;
      if (positions.isWaiting) this.#deferred.push({ observer, position: positions.allocated, source: WAKE_UP });
      else this.#wake(slot);
    }
    return this.finishFresh();
  }

  /** Connected room mates, the user's own clients, and those interested: each once. */
  #tellObservers({ uid, position, hiddenBy = Form.FULL }: PresenceUpdate): void {
    const { interest, observers, restrictions, rooms, users } = this.#parts;
    this.#isRestricted = !restrictions.isFree(uid);
    this.#hiddenBy = hiddenBy;
    this.#told.begin(observers.bound);
    const own = users.observer[uid] as number;
    if (own >= 0) this.#tell(own, position, uid);
    const { ofUser } = rooms;
    const count = ofUser.size(uid);
    const at = count === 0 ? 0 : (ofUser.start[uid] as number);
    for (let index = 0; index < count; index++) {
      const room = ofUser.buffer[at + index] as number;
      const seated = rooms.observers.size(room);
      if (seated === 0) continue;
      const { buffer } = rooms.observers;
      const first = rooms.observers.start[room] as number;
      for (let seat = first; seat < first + seated; seat++) this.#tell(buffer[seat] as number, position, uid);
    }
    const list = interest.watchersOf(uid);
    if (list >= 0) {
      const watching = interest.watchers.size(list);
      for (let index = 0; index < watching; index++) this.#tell(interest.watchers.at(list, index), position, uid);
    }
    for (const slot of interest.everybody) this.#tell(slot, position, uid);
  }

  #tell(slot: number, position: number, uid: number): void {
    if (!this.#told.mark(slot) || (this.#isRestricted && this.#isKept(slot, uid))) return;
    this.#push(slot, position, uid);
  }

  /** Whether the update is kept from the observer: all of it, until somebody has said, or because what is new is what they do not get. */
  #isKept(slot: number, uid: number): boolean {
    const { observers, restrictions } = this.#parts;
    const observer = observers.uid[slot] as number;
    const form = restrictions.form(uid, observer);
    if (form !== UNKNOWN) return isHidden(form) || (this.#hiddenBy !== 0 && (this.#hiddenBy & ~form) === 0);
    restrictions.withheld.add(uid, observer);
    return true;
  }

  #push(slot: number, position: number, uid: number): void {
    this.#parts.inboxes.push(slot, position, uid);
    this.#pairs++;
    this.#wake(slot);
  }

  /** Tells at a position just given out; not before what is being made durable at earlier positions. */
  pushFresh(slot: number, position: number, source: number): void {
    const { observers, positions } = this.#parts;
    if (!positions.isWaiting) this.#push(slot, position, source);
    else if (this.#deferred.length >= MAX_DEFERRED) this.#deferSnapshot(slot, position);
    else {
      this.#pairs++;
      this.#deferred.push({ observer: observers.uid[slot] as number, position, source });
    }
  }

  /** Delivers what was held up at positions up to `until`. */
  #flushDeferred(until: number): void {
    const { inboxes, observers } = this.#parts;
    let done = 0;
    for (const { observer, position, source } of this.#deferred) {
      if (position > until) break;
      done++;
      const slot = observers.slotOf(observer);
      if (slot < 0) continue;
      if (source !== WAKE_UP) inboxes.push(slot, position, source);
      this.#wake(slot);
    }
    if (done > 0) this.#deferred = this.#deferred.slice(done);
    for (const [observer, position] of this.#snapshotsDue) {
      if (position > until) break;
      this.#snapshotsDue.delete(observer);
      const slot = observers.slotOf(observer);
      if (slot < 0) continue;
      inboxes.snapshotAt[slot] = position;
      this.#wake(slot);
    }
  }

  #deferSnapshot(slot: number, position: number): void {
    const observer = this.#parts.observers.uid[slot] as number;
    // Deleting first keeps the map in the order of positions.
    this.#snapshotsDue.delete(observer);
    this.#snapshotsDue.set(observer, position);
  }

  /** Keeps the routers' answer for a source and tells connected targets who were not told already, and those it does not name any more. */
  #keep(
    { uid: source, state, hiddenBy, position: updatedAt }: PresenceUpdate,
    targets: readonly number[],
  ): Omit<KeptChange, 'userId'> {
    const { kept, observers, positions, restrictions, turn, users, visibility } = this.#parts;
    // Routers were asked about the same update before: whom they named then has been told.
    const told = this.#routed.get(source) === updatedAt ? new Set(kept.targets(source)) : null;
    if (targets.length > 0) this.#routed.set(source, updatedAt);
    else this.#routed.delete(source);
    const position = targets.length === 0 ? 0 : positions.next();
    // Whoever is, or was, there since may have been shown so, in a first sync, before routers had decided.
    const isOffline = turn.isShownOffline(source);
    const knewOffline = kept.wasOffline(source) && isOffline && state.state === 'offline';
    const lost: number[] = [];
    const isNew = kept.replace(source, targets, position, isOffline, lost);
    const isRestricted = !restrictions.isFree(source);
    // Whoever is named for the first time sees something new in any case.
    this.#hiddenBy = isNew ? Form.FULL : (hiddenBy ?? Form.FULL);
    for (const target of targets) {
      const slot = observers.slotOf(target);
      if (slot < 0 || told?.has(target) === true || visibility.seesByDefault(target, source)) continue;
      // Who is hidden may have been lost out of sight.
      if (isRestricted && this.#isKept(slot, source) && !isNew) continue;
      this.pushFresh(slot, position, source);
    }
    for (const target of lost) {
      // Who went offline before was told as that, if not on every device.
      if (knewOffline) this.#noteGone(target, source, users.position[source] as number);
      else this.#tellLost(target, source, positions.next());
    }
    return { routedTo: isNew ? targets.map((uid) => users.ids.name(uid)) : null, routedPosition: position };
  }

  /** Tells a local user of somebody as offline whom no rule lets them see any more, unless they were kept from them before. */
  #tellLost(observer: number, source: number, position: number, wasAway = false): void {
    const { observers, restrictions, visibility } = this.#parts;
    if (observer === source || visibility.seesByDefault(observer, source)) return;
    if (visibility.wouldSee(observer, source)) return this.#tellHeldUp(observer, source, position);
    if (!this.#tellsLoss) return;
    const form = restrictions.form(source, observer);
    const lostAt = restrictions.lostAt(source, observer);
    if (form === UNKNOWN && (wasAway ? lostAt === 0 : !restrictions.wasThere(source))) return;
    if (form !== UNKNOWN && isHidden(form)) return this.#noteHidden(observer, source);
    this.tellOffline(observer, source, position);
    const slot = observers.slotOf(observer);
    if (slot >= 0) this.pushFresh(slot, position, source);
  }

  /** What routers gave to somebody who saw the source anyway then, and may not have been told because a turn holds that up. */
  #tellHeldUp(observer: number, source: number, position: number): void {
    const slot = this.#parts.observers.slotOf(observer);
    if (slot >= 0 && this.#parts.positions.isWaiting) this.pushFresh(slot, position, source);
  }

  /** An observer sees users no more who are offline: for devices that have not been told of that. */
  noteGone(slot: number, uids: readonly number[]): void {
    const { observers, users } = this.#parts;
    for (const uid of uids) this.#noteGone(observers.uid[slot] as number, uid, users.position[uid] as number);
  }

  #noteGone(observer: number, source: number, position: number): void {
    const { restrictions, visibility } = this.#parts;
    if (!this.#tellsLoss || position === 0 || visibility.wouldSee(observer, source)) return;
    const form = restrictions.form(source, observer);
    if (form !== UNKNOWN && isHidden(form)) return this.#noteHidden(observer, source);
    if (form !== UNKNOWN || restrictions.lostAt(source, observer) > 0) this.tellOffline(observer, source, position);
  }

  /** What there was to tell when the source was hidden from the observer does not depend any more on rules that would let them see it. */
  #noteHidden(observer: number, source: number): void {
    const { farewells, restrictions } = this.#parts;
    const lostAt = restrictions.lostAt(source, observer);
    if (lostAt > farewells.at(observer, source)) this.tellOffline(observer, source, lostAt);
    else farewells.confirm(observer, source);
  }

  /** What is told at this position is that the source is offline. */
  tellOffline(observer: number, source: number, position: number): void {
    this.#parts.farewells.add(observer, source, position);
  }

  /** Servers that routers named until now. */
  #tellUnroutedServers({ uid, state, position, previousState }: PresenceUpdate, servers: ReadonlySet<string>): void {
    const { restrictions } = this.#parts;
    const lost = this.#parts.servers.keepRouted(uid, servers, position);
    // What was withheld is not for them any more.
    if (lost.length > 0) restrictions.withheld.settle(uid, lost);
    if (!this.#tellsLoss || (state.state === 'offline' && previousState === 'offline')) return;
    for (const name of lost) {
      if (restrictions.mayHaveSeen(uid, name)) this.#parts.servers.tellOffline(name, state);
    }
  }

  /** Routers can take so long that the user has been forgotten meanwhile, and the number given to another. */
  #isStill({ uid, state }: PresenceUpdate): boolean {
    return this.#parts.users.find(state.userId) === uid;
  }

  /** Begins what `finishFresh` ends. */
  begin(): void {
    this.#woken.begin(this.#parts.observers.bound);
    this.#wakeCount = 0;
    this.#pairs = 0;
    // Of deliveries that are not about one update.
    this.#hiddenBy = Form.FULL;
    this.#parts.servers.begin();
  }

  #wake(slot: number): void {
    if (!this.#woken.mark(slot)) return;
    if (this.#wakeCount === this.#wakeList.length) {
      const longer = new Uint32Array(this.#wakeCount * 2);
      longer.set(this.#wakeList);
      this.#wakeList = longer;
    }
    this.#wakeList[this.#wakeCount++] = this.#parts.observers.uid[slot] as number;
  }

  finishFresh(): Deliveries {
    this.#parts.positions.settle();
    return this.#finish();
  }

  #finish(): Deliveries {
    const observers = this.#wakeCount === 0 ? NO_OBSERVERS : this.#wakeList.slice(0, this.#wakeCount);
    return { observers, pairs: this.#pairs, servers: this.#parts.servers.told };
  }
}
