/**
 * The one answer to "who may see whom", read in its three directions: a pair, everybody an observer sees, every observer of a source.
 *
 * An observer sees: themself; whoever shares a room that is not excluded; whom `getInterestedUsers` named (or everybody); and
 * sources whose kept answer of `getUsersForStates` names them. Product §4.1–4.2. From that, what modules restrict is taken away: denying
 * wins over adding. What nobody has said anything about yet is not seen, and noted as withheld where it would have been told.
 */
import type { UserId } from '../matrix/identifiers.ts';
import { Stamps } from './columns.ts';
import { Form, isHidden, UNKNOWN } from './forms.ts';
import type { Inboxes } from './inboxes.ts';
import type { Interest } from './interest.ts';
import type { KeptAnswers } from './kept-answers.ts';
import type { Observers } from './observers.ts';
import type { Positions } from './positions.ts';
import type { Restrictions } from './restrictions.ts';
import type { Rooms } from './rooms.ts';
import type { UserTable } from './user-table.ts';

const NONE = -1;

export class Visibility {
  readonly #users: UserTable;
  readonly #rooms: Rooms;
  readonly #observers: Observers;
  readonly #interest: Interest;
  readonly #kept: KeptAnswers;
  readonly #positions: Positions;
  readonly #restrictions: Restrictions;
  readonly #inboxes: Inboxes;
  readonly #seen = new Stamps();

  constructor(
    users: UserTable,
    rooms: Rooms,
    observers: Observers,
    interest: Interest,
    kept: KeptAnswers,
    positions: Positions,
    restrictions: Restrictions,
    inboxes: Inboxes,
  ) {
    this.#inboxes = inboxes;
    this.#restrictions = restrictions;
    this.#positions = positions;
    this.#users = users;
    this.#rooms = rooms;
    this.#observers = observers;
    this.#interest = interest;
    this.#kept = kept;
  }

  /** In what form `observer`, a local user, sees `target`; `DENIED` if nothing lets them. Both are known users. */
  formFor(observer: number, target: number): Form {
    return this.wouldSee(observer, target) ? this.#restrictions.form(target, observer) : Form.DENIED;
  }

  /** Whether `observer` has gone out of sight of `target`, or is kept from them; not: while nobody has said. */
  hasLost(observer: number, target: number): boolean {
    const form = this.formFor(observer, target);
    return form !== UNKNOWN && isHidden(form);
  }

  /** Whether `observer` would see `target` if nothing were restricted. Both are known users. */
  wouldSee(observer: number, target: number): boolean {
    return this.seesByDefault(observer, target) || this.#kept.names(target, observer);
  }

  /**
   * The form in which the observer is to be told of the source's newest update; `UNKNOWN` if not at all, and noted as withheld if that is
   * because nobody has said.
   */
  formToTell(observer: number, source: number): Form {
    if (!this.mayBeTold(observer, source)) return UNKNOWN;
    const form = this.#restrictions.form(source, observer);
    if (form === UNKNOWN) this.#restrictions.withheld.add(source, observer);
    return form === UNKNOWN || isHidden(form) ? UNKNOWN : form;
  }

  /**
   * Whether the source's newest update may be shown to somebody who was told of the source: a kept answer alone is for the update it was
   * given for, and the routers have still to decide about a newer one.
   */
  mayBeTold(observer: number, source: number): boolean {
    if (this.seesByDefault(observer, source)) return true;
    return (
      this.#kept.names(source, observer) && (this.#users.position[source] as number) <= this.#kept.position(source)
    );
  }

  /** Whether routers let the observer see the source until now, and have still to decide about its newest update. */
  isUndecided(observer: number, source: number): boolean {
    return this.#kept.names(source, observer) && this.isUnrouted(source);
  }

  /** Whether routers have still to decide about the source's newest update. */
  isUnrouted(source: number): boolean {
    return (this.#users.position[source] as number) > this.#kept.position(source);
  }

  /** `wouldSee` without kept answers: what `publish` tells without asking routers. */
  seesByDefault(observer: number, target: number): boolean {
    return observer === target || this.#rooms.share(observer, target) || this.isInterested(observer, target);
  }

  /** Whether the observer is connected and has said that they want `target`, or everybody. */
  isInterested(observer: number, target: number): boolean {
    const slot = this.#observers.slotOf(observer);
    return slot >= 0 && this.#interest.wants(slot, target);
  }

  /** Calls `visit` with the slot of everybody connected who would see the source, but the source; some more than once. */
  eachConnectedObserver(source: number, visit: (slot: number) => void): void {
    const { observers, ofUser } = this.#rooms;
    const own = this.#observers.slotOf(source);
    const others = (slot: number): void => {
      if (slot >= 0 && slot !== own) visit(slot);
    };
    for (const room of ofUser.values(source)) for (const slot of observers.values(room)) others(slot);
    const watchers = this.#interest.watchersOf(source);
    if (watchers >= 0) for (const slot of this.#interest.watchers.values(watchers)) others(slot);
    for (const slot of this.#interest.everybody) others(slot);
    for (const target of this.#kept.targets(source)) others(this.#observers.slotOf(target));
  }

  /**
   * Calls `visit` once for everybody the observer sees, in what form, or would see (`UNKNOWN`, hidden), with the stream position at which the observer has, or should have, been told
   * of what is known now: that of the record, or of the routed delivery if that is what made the source visible or came later.
   * `own` leaves the routed delivery out if default routing tells as well. What modules have come to restrict while the observer was away
   * counts from when they did.
   */
  eachInSight(observer: number, visit: (uid: number, position: number, own: number, form: Form) => void): void {
    const restrictions = this.#restrictions;
    if (!restrictions.isOn) {
      this.#eachByRules(observer, (uid, position, own) => visit(uid, position, own, Form.FULL));
      return;
    }
    this.#eachByRules(observer, (uid, position, own) => {
      const from = this.restrictedAt(observer, uid);
      visit(uid, Math.max(position, from), Math.max(own, from), restrictions.form(uid, observer));
    });
  }

  /** Position at which the source's restrictions changed for devices whose tokens are too old for the observer's inbox: it has the rest. */
  restrictedAt(observer: number, source: number): number {
    if (observer === source) return 0;
    const slot = this.#observers.slotOf(observer);
    const floor = slot >= 0 ? (this.#inboxes.floor[slot] as number) : Infinity;
    return this.#restrictions.changedAt(source, Math.min(floor, this.#positions.published));
  }

  #eachByRules(observer: number, visit: (uid: number, position: number, own: number) => void): void {
    const positions = this.#users.position;
    this.#seen.begin(this.#users.bound);
    // `visit` must not look for visible users itself: the round of stamps is shared.
    const seen = this.#seen;
    const routed = this.#kept.sourcesFor(observer);
    const { published } = this.#positions;
    const byDefault = (uid: number): boolean => this.seesByDefault(observer, uid);
    for (const uid of routed) {
      seen.mark(uid);
      const own = byDefault(uid) ? (positions[uid] as number) : NONE;
      const delivered = this.#kept.position(uid);
      if (delivered <= published) visit(uid, Math.max(own, delivered), own === NONE ? delivered : own);
      // What only a delivery still to come makes visible comes with that delivery.
      else if (own !== NONE) visit(uid, own, own);
    }
    const visitByDefault = (uid: number): void => visit(uid, positions[uid] as number, positions[uid] as number);
    const slot = this.#observers.slotOf(observer);
    if (slot >= 0 && this.#interest.wantsAll(slot)) {
      const { bound } = this.#users;
      for (let uid = 0; uid < bound; uid++) if (this.#users.isUsed(uid) && seen.mark(uid)) visitByDefault(uid);
      return;
    }
    if (seen.mark(observer)) visitByDefault(observer);
    this.#eachRoomMate(observer, visitByDefault);
    if (slot < 0) return;
    for (const uid of this.#interest.wantedBy(slot)) if (seen.mark(uid)) visitByDefault(uid);
  }

  /**
   * Local users who are not offline and whom `observer`, here or elsewhere or unknown (-1), sees or is interested in; what is restricted
   * is for the caller.
   */
  localUsersFor(observer: number, interest: readonly UserId[] | 'ALL'): number[] {
    const users = this.#users;
    const uids = new Set<number>();
    if (observer >= 0) this.#eachByRules(observer, (uid) => uids.add(uid));
    if (interest === 'ALL') for (let uid = 0; uid < users.bound; uid++) uids.add(uid);
    else for (const target of interest) uids.add(users.find(target));
    return [...uids].filter((uid) => uid >= 0 && users.isLocal(uid) && !users.isOffline(uid));
  }

  #eachRoomMate(observer: number, visit: (uid: number) => void): void {
    const { members, ofUser } = this.#rooms;
    const seen = this.#seen;
    for (const room of ofUser.values(observer)) {
      const { buffer } = members;
      const start = members.start[room] as number;
      const end = start + members.size(room);
      for (let at = start; at < end; at++) {
        const uid = buffer[at] as number;
        if (seen.mark(uid)) visit(uid);
      }
    }
  }
}
