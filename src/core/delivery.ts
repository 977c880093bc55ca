/**
 * Who is told: default routing of a published turn, routed targets, and what gains and marks bring.
 *
 * Everything local goes through the observers' inboxes; whoever got something is woken. The cost of an update
 * is that of the connected observers who get it, and of the remote servers in its rooms.
 * Long, because publishing, routing and what is held up meanwhile share the state of one delivery.
 */
import type { ServerName } from '../matrix/identifiers.ts';
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
import type { Inboxes } from './inboxes.ts';
import type { Interest } from './interest.ts';
import type { KeptAnswers } from './kept-answers.ts';
import type { Observers } from './observers.ts';
import type { Positions } from './positions.ts';
import type { Rooms } from './rooms.ts';
import { TargetReader } from './routed-targets.ts';
import type { Turn } from './turn.ts';
import type { UserPresenceState } from './user-presence-state.ts';
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
}

const NO_OBSERVERS = new Uint32Array(0);
const WAKE_UP = -1;
/** Beyond it, while the store does not answer, observers get a snapshot instead. */
const MAX_DEFERRED = 100_000;

export class Delivery {
  readonly #parts: DeliveryParts;
  readonly #targets: TargetReader;
  /** Whether anything goes to other servers: not in untracked mode. */
  readonly #federates: boolean;
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
  #servers = new Map<ServerName, UserPresenceState[]>();
  readonly #serversTold = new Stamps();

  constructor(parts: DeliveryParts, maxRoutedPerUser: number, federates: boolean) {
    this.#parts = parts;
    this.#targets = new TargetReader(parts.users, maxRoutedPerUser);
    this.#federates = federates;
  }

  /** Whether something waits for a turn that is being made durable. */
  get isHoldingUp(): boolean {
    return this.#deferred.length > 0 || this.#snapshotsDue.size > 0;
  }

  publish(changes: TurnChanges): PublishResult {
    const { positions, turn } = this.#parts;
    this.#begin();
    for (const update of changes.updates) {
      turn.published(update);
      this.#flushDeferred(update.position);
      this.#tellObservers(update.uid, update.position);
      this.#tellServers(update.uid, update.state);
    }
    positions.closeTurns(changes.position);
    this.#flushDeferred(positions.published);
    const deliveries = this.#finish();
    this.#servers = new Map();
    for (const ping of changes.pings) this.#tellServers(ping.uid, ping.state);
    return { ...deliveries, keepAlives: this.#servers };
  }

  route(batch: readonly PresenceUpdate[], answer: RoutingAnswer): RouteResult {
    this.#begin();
    const kept: KeptChange[] = [];
    let dropped = 0;
    for (const update of batch) {
      const userId = update.state.userId;
      if (!this.#isStill(update)) continue;
      const { local, servers, dropped: over } = this.#targets.read(update.uid, answer.get(userId) ?? []);
      dropped += over;
      this.#tellRoutedServers(update, servers);
      if (local.length === 0 && this.#parts.kept.position(update.uid) === 0) continue;
      kept.push({ userId, ...this.#keep(update.uid, local) });
    }
    return { ...this.#finishFresh(), kept, dropped };
  }

  /** Default routing of what was told before, to servers only. */
  tellServersAgain(updates: readonly PresenceUpdate[]): Deliveries['servers'] {
    this.#begin();
    for (const update of updates) this.#tellServers(update.uid, update.state);
    return this.#finish().servers;
  }

  /** Servers that routers name for keep-alives: no local user is told and nothing is kept. */
  routePings(pings: readonly PresenceUpdate[], answer: RoutingAnswer): Deliveries['servers'] {
    this.#begin();
    for (const ping of pings) {
      if (!this.#isStill(ping)) continue;
      // A newer update has been told meanwhile: where that goes is for the routers to say.
      if ((this.#parts.users.position[ping.uid] as number) > ping.position) continue;
      this.#tellRoutedServers(ping, this.#targets.read(ping.uid, answer.get(ping.state.userId) ?? []).servers);
    }
    return this.#finish().servers;
  }

  /** Tells one observer about users, at fresh positions. */
  tellAnew(slot: number, uids: readonly number[]): Deliveries {
    this.#begin();
    for (const uid of uids) this.#pushFresh(slot, this.#parts.positions.next(), uid);
    return this.#finishFresh();
  }

  /** The observer's next sync is told of everybody visible. */
  tellEverything(slot: number): Deliveries {
    this.#begin();
    const { inboxes, positions } = this.#parts;
    const position = positions.next();
    if (positions.isWaiting) this.#deferSnapshot(slot, position);
    else {
      inboxes.snapshotAt[slot] = position;
      this.#wake(slot);
    }
    return this.#finishFresh();
  }

  /** Wakes observers for something that is not in their inboxes, at positions just given out. */
  wakeFresh(uids: Iterable<number>): Deliveries {
    this.#begin();
    const { positions } = this.#parts;
    for (const observer of uids) {
      const slot = this.#parts.observers.slotOf(observer);
      if (slot < 0) continue;
      if (positions.isWaiting) this.#deferred.push({ observer, position: positions.allocated, source: WAKE_UP });
      else this.#wake(slot);
    }
    return this.#finishFresh();
  }

  /** Remote servers with members in the user's rooms. */
  serversOf(uid: number): ServerName[] {
    const names: ServerName[] = [];
    this.#eachServer(uid, (server) => names.push(this.#parts.users.servers.name(server)));
    return names;
  }

  /** Connected room mates, the user's own clients, and those interested: each once. */
  #tellObservers(uid: number, position: number): void {
    const { interest, observers, rooms, users } = this.#parts;
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
    if (this.#told.mark(slot)) this.#push(slot, position, uid);
  }

  #push(slot: number, position: number, uid: number): void {
    this.#parts.inboxes.push(slot, position, uid);
    this.#pairs++;
    this.#wake(slot);
  }

  /** Tells at a position just given out; not before what is being made durable at earlier positions. */
  #pushFresh(slot: number, position: number, source: number): void {
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

  /** Keeps the routers' answer for a source and tells connected targets who were not told already. */
  #keep(source: number, targets: readonly number[]): Omit<KeptChange, 'userId'> {
    const { kept, observers, positions, users, visibility } = this.#parts;
    const position = targets.length === 0 ? 0 : positions.next();
    const isNew = kept.replace(source, targets, position);
    for (const target of targets) {
      const slot = observers.slotOf(target);
      if (slot >= 0 && !visibility.seesByDefault(target, source)) this.#pushFresh(slot, position, source);
    }
    return { routedTo: isNew ? targets.map((uid) => users.ids.name(uid)) : null, routedPosition: position };
  }

  /** Routers can take so long that the user has been forgotten meanwhile, and the number given to another. */
  #isStill({ uid, state }: PresenceUpdate): boolean {
    return this.#parts.users.find(state.userId) === uid;
  }

  #tellServers(uid: number, state: UserPresenceState): void {
    this.#eachServer(uid, (server) => this.#tellServer(this.#parts.users.servers.name(server), state));
  }

  /** Servers in the source's rooms were told by default routing. */
  #tellRoutedServers(update: PresenceUpdate, servers: ReadonlySet<ServerName>): void {
    if (servers.size === 0 || !this.#mayFederate(update.uid)) return;
    this.#eachServer(update.uid, () => undefined);
    for (const name of servers) {
      const server = this.#parts.users.servers.find(name);
      if (server < 0 || !this.#serversTold.has(server)) this.#tellServer(name, update.state);
    }
  }

  #tellServer(name: ServerName, state: UserPresenceState): void {
    const states = this.#servers.get(name);
    if (states === undefined) this.#servers.set(name, [state]);
    else states.push(state);
  }

  /** Visits each remote server that shares a room with the user, if the user is ours to speak for. */
  #eachServer(uid: number, visit: (server: number) => void): void {
    const { rooms, users } = this.#parts;
    this.#serversTold.begin(users.servers.bound);
    if (!rooms.hasRemoteMembers || !this.#mayFederate(uid)) return;
    for (const room of rooms.ofUser.values(uid)) {
      for (const server of rooms.remoteServers(room)?.keys() ?? []) {
        if (this.#serversTold.mark(server)) visit(server);
      }
    }
  }

  #mayFederate(uid: number): boolean {
    return this.#federates && this.#parts.users.isLocal(uid);
  }

  #begin(): void {
    this.#woken.begin(this.#parts.observers.bound);
    this.#wakeCount = 0;
    this.#pairs = 0;
    this.#servers = new Map();
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

  #finishFresh(): Deliveries {
    this.#parts.positions.settle();
    return this.#finish();
  }

  #finish(): Deliveries {
    const observers = this.#wakeCount === 0 ? NO_OBSERVERS : this.#wakeList.slice(0, this.#wakeCount);
    return { observers, pairs: this.#pairs, servers: this.#servers };
  }
}
