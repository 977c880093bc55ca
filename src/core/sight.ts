/**
 * What an answer about restrictions changes: who loses sight of a source, who gains it, who gets it in another form, and what was
 * withheld until somebody said.
 *
 * Connected observers are told at once, at one position for all; others when they come back, by the position at which the source's
 * restrictions changed (visibility.ts). Servers are told if they share a room with the source or a router names them.
 */
import type { ServerName } from '../matrix/identifiers.ts';
import type { Delivery } from './delivery.ts';
import type { Deliveries, Observer, RestrictionAnswer, RestrictionQuestion } from './engine-api.ts';
import { Form, isHidden, UNKNOWN } from './forms.ts';
import type { Farewells } from './farewells.ts';
import type { Inboxes } from './inboxes.ts';
import type { KeptAnswers } from './kept-answers.ts';
import type { Observers } from './observers.ts';
import type { PairTable } from './pair-table.ts';
import type { Positions } from './positions.ts';
import type { Restrictions } from './restrictions.ts';
import type { ServerDelivery } from './server-delivery.ts';
import type { Turn } from './turn.ts';
import type { UserTable } from './user-table.ts';
import type { Visibility } from './visibility.ts';
import type { ObserverKey } from './withheld.ts';

export interface SightParts {
  readonly users: UserTable;
  readonly kept: KeptAnswers;
  readonly observers: Observers;
  readonly inboxes: Inboxes;
  readonly positions: Positions;
  readonly restrictions: Restrictions;
  readonly farewells: Farewells;
  readonly visibility: Visibility;
  readonly delivery: Delivery;
  readonly servers: ServerDelivery;
  readonly turn: Turn;
}

/** What becomes of one observer's sight of a source. */
type Change = 'none' | 'tell' | 'lose';

const NOBODY: readonly Observer[] = [];
const NO_RESTRICTION: RestrictionAnswer = { others: Form.FULL, observers: new Map() };

export class Sight {
  readonly #parts: SightParts;
  readonly #tellsLoss: boolean;
  readonly #startPosition: number;

  constructor(parts: SightParts, tellsLoss: boolean) {
    this.#parts = parts;
    this.#tellsLoss = tellsLoss;
    this.#startPosition = parts.positions.allocated;
  }

  /** Modules restrict from now on, or none does any more: then everything is given that was kept back. */
  setRestricting(isRestricting: boolean): Deliveries {
    const { delivery, positions, restrictions } = this.#parts;
    delivery.begin();
    if (isRestricting && !restrictions.isOn) {
      const position = this.#hasBegun ? positions.next() : this.#startPosition;
      restrictions.begin(position, this.#whoseGoneAt(position));
    } else if (!isRestricting && restrictions.isOn) {
      for (const source of new Set([...restrictions.sources(), ...restrictions.withheld.sources()])) {
        this.#apply(source, NOBODY, NO_RESTRICTION);
      }
      restrictions.clear(positions.next());
    }
    return delivery.finishFresh();
  }

  /** By source: until when somebody may have seen them present. */
  #whoseGoneAt(position: number): Float64Array {
    const { kept, users, visibility } = this.#parts;
    const goneAt = new Float64Array(users.bound);
    for (let uid = 0; uid < users.bound; uid++) {
      if (!users.isUsed(uid)) continue;
      // Whoever is told by routers has still to be told of what is not routed yet.
      goneAt[uid] = kept.position(uid) > 0 && visibility.isUnrouted(uid) ? position : this.#goneAt(uid, position);
    }
    return goneAt;
  }

  /** Whether anybody may have been told anything since the start. */
  get #hasBegun(): boolean {
    const { observers, positions } = this.#parts;
    return observers.bound > 0 || positions.allocated > this.#startPosition;
  }

  restrict(source: number, asked: readonly Observer[], answer: RestrictionAnswer): Deliveries {
    const { delivery, restrictions } = this.#parts;
    delivery.begin();
    if (restrictions.isOn) this.#apply(source, asked, answer);
    return delivery.finishFresh();
  }

  /** Everybody whom an answer about the source concerns now; null for nobody. Nobody in particular if an answer about everybody stands. */
  questionAbout(source: number): RestrictionQuestion | null {
    const { restrictions, users } = this.#parts;
    const keys = this.#audienceOf(source);
    for (const key of restrictions.answeredKeys(source)) keys.add(key);
    for (const key of restrictions.withheld.keysOf(source)) keys.add(key);
    restrictions.withheld.noteAsked(source);
    keys.delete(source);
    if (keys.size === 0 && !restrictions.isAboutEverybody(source)) return null;
    return { source: users.ids.name(source), observers: restrictions.names(keys) };
  }

  /** Sources that are there, and that a local observer would see if somebody said in what form. */
  questionsFor(observer: number): RestrictionQuestion[] {
    const { turn, users, visibility } = this.#parts;
    const questions: RestrictionQuestion[] = [];
    const observers = [users.ids.name(observer)];
    visibility.eachInSight(observer, (uid, _position, _own, form) => {
      if (form === UNKNOWN && !turn.isShownOffline(uid)) questions.push({ source: users.ids.name(uid), observers });
    });
    return questions;
  }

  #apply(source: number, asked: readonly Observer[], answer: RestrictionAnswer): void {
    const { restrictions } = this.#parts;
    const wasAboutEverybody = restrictions.isAboutEverybody(source);
    const keys = new Set<ObserverKey>();
    for (const observer of asked) {
      const key = restrictions.keyOf(observer);
      if (key !== null) keys.add(key);
    }
    if (answer.others !== null || wasAboutEverybody) {
      for (const key of this.#audienceOf(source)) keys.add(key);
      for (const key of restrictions.answeredKeys(source)) keys.add(key);
    }
    // What is withheld of this source has been answered, too; whom the answer names may be away.
    if (answer.others !== null) {
      for (const key of restrictions.withheld.keysOf(source)) keys.add(key);
      for (const observer of answer.observers.keys()) {
        const key = restrictions.keyOf(observer);
        if (key !== null) keys.add(key);
      }
    }
    keys.delete(source);
    const before = new Map<ObserverKey, Form>();
    for (const key of keys) before.set(key, restrictions.formOfKey(source, key));
    const others = restrictions.formOfOthers(source);
    const named = restrictions.named(source);
    const mayDiffer = restrictions.answer(source, asked, answer);
    for (const [key, was] of before) {
      // Not asked about, and spoken of until now.
      if (was !== UNKNOWN && restrictions.formOfKey(source, key) === UNKNOWN) restrictions.keep(source, key, was);
    }
    const position = this.#tell(source, before, mayDiffer, named);
    if (isOpen(others) && !isOpen(restrictions.formOfOthers(source))) {
      restrictions.setLostAt(source, this.#goneAt(source, position), named);
    }
    restrictions.withheld.settle(source, keys);
  }

  /** Position of the last offline that a loss at `position` is due: whoever went offline before was told then. */
  #goneAt(source: number, position: number): number {
    const { turn, users } = this.#parts;
    return turn.isShownOffline(source) ? (users.position[source] as number) : position;
  }

  /** Returns the position at which whoever is there is told. */
  #tell(
    source: number,
    before: ReadonlyMap<ObserverKey, Form>,
    mayDiffer: boolean,
    wereNamed: PairTable | null,
  ): number {
    const { delivery, observers, positions, restrictions, servers, turn } = this.#parts;
    let hasChanged = mayDiffer;
    const position = positions.next();
    const areNamed = restrictions.named(source);
    for (const [key, was] of before) {
      const form = restrictions.formOfKey(source, key);
      // Asked about before, or not, and free then and now.
      if (form === was && !restrictions.withheld.has(source, key)) continue;
      if (form !== was && !(was === UNKNOWN && form === Form.FULL)) hasChanged = true;
      if (typeof key === 'string') {
        if (!this.#isToldOf(key, source)) continue;
        const change = this.#changeOf(source, key, was, form);
        if (change === 'tell' && servers.isUndecided(key, source)) continue;
        if (change === 'tell') servers.tell(key, source, turn.shownRecord(source));
        else if (change === 'lose') servers.tellOffline(key, turn.shownRecord(source));
        continue;
      }
      const slot = observers.slotOf(key);
      // Their token may be newer than what they were not given, and their inbox not last until they ask.
      if (isOpen(form) && restrictions.withheld.has(source, key)) hasChanged = true;
      if (isOpen(was) && isHidden(form) && this.#isLossTold(form)) {
        // For all others the answer remembers when.
        const isNamed = areNamed?.has(key) === true || wereNamed?.has(key) === true;
        if (isNamed) this.#takeLeave(key, slot, source, position);
      }
      if (!this.#wouldSee(key, source)) continue;
      const change = this.#changeOf(source, key, was, form);
      if (change === 'none') continue;
      if (change === 'lose') delivery.tellOffline(key, source, position);
      if (slot >= 0) delivery.pushFresh(slot, position, source);
    }
    if (hasChanged) restrictions.setChangedAt(source, position);
    return position;
  }

  /** For devices that come back with a token from before a loss: of an observer who is away, and of one who is there if they missed why. */
  #takeLeave(observer: number, slot: number, source: number, position: number): void {
    const { farewells } = this.#parts;
    const goneAt = this.#goneAt(source, position);
    const isSeen = this.#wouldSee(observer, source);
    // Who has gone out of sight already has been told why.
    if (goneAt === 0 || (!isSeen && farewells.isFinal(observer, source))) return;
    if (slot < 0 || goneAt !== position || !isSeen) farewells.addIfSeen(observer, source, goneAt);
  }

  #changeOf(source: number, key: ObserverKey, was: Form, form: Form): Change {
    const { turn } = this.#parts;
    const isOffline = turn.isShownOffline(source);
    if (was === UNKNOWN) {
      // Whoever was there then may have gone offline since, unheard.
      if (isHidden(form)) return this.#sawBefore(source, key) && this.#isLossTold(form) ? 'lose' : 'none';
      const hasLess = form !== Form.FULL && !isOffline && this.#sawBefore(source, key);
      return hasLess || this.#parts.restrictions.withheld.has(source, key) ? 'tell' : 'none';
    }
    if (isHidden(form)) {
      const isKnown = isOffline && !this.#isUndecided(source, key);
      return !isHidden(was) && !isKnown && this.#isLossTold(form) ? 'lose' : 'none';
    }
    // Whoever has not seen the source takes them to be offline.
    return isHidden(was) && isOffline ? 'none' : 'tell';
  }

  /** Whether an observer may have been told of the source before anything was restricted: not since it was. */
  #sawBefore(source: number, key: ObserverKey): boolean {
    const { inboxes, observers, restrictions, turn } = this.#parts;
    if (restrictions.withheld.hasSeen(source, key)) return true;
    if (typeof key === 'string') {
      const wasSent = restrictions.wasThere(source) || (restrictions.wasKnown(source) && turn.isShownOffline(source));
      return wasSent && restrictions.onSince > this.#startPosition;
    }
    if (!restrictions.wasThere(source)) return false;
    const slot = observers.slotOf(key);
    return slot >= 0 && (inboxes.openedAt[slot] as number) < restrictions.onSince;
  }

  /** Whether only routers let the observer see the source, and have still to decide about its newest update. */
  #isUndecided(source: number, key: ObserverKey): boolean {
    const { servers, visibility } = this.#parts;
    if (typeof key === 'string') return servers.isUndecided(key, source);
    return visibility.isUndecided(key, source) && !visibility.seesByDefault(key, source);
  }

  #isLossTold(form: Form): boolean {
    return this.#tellsLoss || (form & Form.DENIED) === 0;
  }

  #wouldSee(observer: number, source: number): boolean {
    return this.#parts.visibility.wouldSee(observer, source);
  }

  /** What was withheld from a server was meant for it. */
  #isToldOf(server: ServerName, source: number): boolean {
    const { restrictions, servers } = this.#parts;
    return servers.isToldOf(server, source) || restrictions.withheld.has(source, server);
  }

  /** Connected local users who would see the source, and servers that are told of them. */
  #audienceOf(source: number): Set<ObserverKey> {
    const { observers, servers, visibility } = this.#parts;
    const keys = new Set<ObserverKey>();
    visibility.eachConnectedObserver(source, (slot) => keys.add(observers.uid[slot] as number));
    for (const server of servers.serversOf(source)) keys.add(server);
    for (const server of servers.routedOf(source)) keys.add(server);
    return keys;
  }
}

function isOpen(form: Form): boolean {
  return form !== UNKNOWN && !isHidden(form);
}
