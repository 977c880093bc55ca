/**
 * Who is where, and who is to be told of whom, as the record of traffic needs it: whole lists, by what lets each and what modules keep back.
 *
 * Only reads: nothing is withheld, counted or moved by it. It walks what a delivery walks, once more.
 */
import type { RoomId, ServerName, UserId } from '../matrix/identifiers.ts';
import { Stamps } from './columns.ts';
import type { EngineParts } from './engine-parts.ts';
import { Form, isHidden, UNKNOWN } from './forms.ts';

/** Observers of one user, each in one list; the user's own clients are in none. */
export interface Audience<Observer> {
  /** By default routing. */
  readonly byRooms: readonly Observer[];
  /** By modules alone: interest and routing answers. */
  readonly byModules: readonly Observer[];
  /** Of both, those who get less than everything, and in what form. */
  readonly reduced: readonly (readonly [Observer, Form])[];
  /** Modules keep the user from them. */
  readonly withheld: readonly Observer[];
}

export interface Audiences {
  /** Connected ones of this server. */
  readonly users: Audience<UserId>;
  readonly servers: Audience<ServerName>;
  /** Whether modules have still to say what some of them get: those are in no list. */
  readonly isUnanswered: boolean;
}

type Parts = Pick<EngineParts, 'interest' | 'kept' | 'observers' | 'restrictions' | 'rooms' | 'servers' | 'users'>;

export class TrafficView {
  readonly #parts: Parts;
  readonly #seen = new Stamps();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** How many observers are connected. */
  get observers(): number {
    return this.#parts.observers.size;
  }

  connected(): UserId[] {
    const { observers, users } = this.#parts;
    const found: UserId[] = [];
    for (let slot = 0; slot < observers.bound; slot++) {
      const uid = observers.uid[slot] as number;
      if (observers.slotOf(uid) === slot) found.push(users.ids.name(uid));
    }
    return found;
  }

  /** Every room that is not excluded, with its members. Nothing may change while it is read. */
  *rooms(): IterableIterator<{ readonly roomId: RoomId; readonly members: readonly UserId[] }> {
    const { rooms, users } = this.#parts;
    for (const [roomId, members] of rooms.each()) {
      yield { roomId, members: members.map((uid) => users.ids.name(uid)) };
    }
  }

  audiencesOf(uid: number): Audiences {
    const { interest, kept, observers, restrictions, rooms, servers, users } = this.#parts;
    const local = new Sorter<UserId>();
    const isRestricted = !restrictions.isFree(uid);
    this.#seen.begin(observers.bound);
    const own = users.observer[uid] as number;
    if (own >= 0) this.#seen.mark(own);
    const add = (slot: number, isByRooms: boolean): void => {
      if (slot < 0 || !this.#seen.mark(slot)) return;
      const observer = observers.uid[slot] as number;
      local.add(users.ids.name(observer), isByRooms, isRestricted ? restrictions.form(uid, observer) : Form.FULL);
    };
    for (const room of rooms.ofUser.values(uid)) for (const slot of rooms.observers.values(room)) add(slot, true);
    const watchers = interest.watchersOf(uid);
    if (watchers >= 0) for (const slot of interest.watchers.values(watchers)) add(slot, false);
    for (const slot of interest.everybody) add(slot, false);
    for (const target of kept.targets(uid)) add(observers.slotOf(target), false);

    const remote = new Sorter<ServerName>();
    const form = (name: ServerName): Form => (restrictions.isOn ? restrictions.formOfServer(uid, name) : Form.FULL);
    const shared = new Set(servers.serversOf(uid));
    for (const name of shared) remote.add(name, true, form(name));
    for (const name of servers.routedOf(uid)) if (!shared.has(name)) remote.add(name, false, form(name));
    return { users: local, servers: remote, isUnanswered: local.isUnanswered || remote.isUnanswered };
  }
}

class Sorter<Observer> implements Audience<Observer> {
  readonly byRooms: Observer[] = [];
  readonly byModules: Observer[] = [];
  readonly reduced: [Observer, Form][] = [];
  readonly withheld: Observer[] = [];
  isUnanswered = false;

  add(observer: Observer, isByRooms: boolean, form: Form): void {
    if (form === UNKNOWN) this.isUnanswered = true;
    else if (isHidden(form)) this.withheld.push(observer);
    else {
      (isByRooms ? this.byRooms : this.byModules).push(observer);
      if (form !== Form.FULL) this.reduced.push([observer, form]);
    }
  }
}
