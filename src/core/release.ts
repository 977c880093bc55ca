/**
 * Forgets users whom nothing here refers to any more, so that their numbers serve others: users of other servers whom nobody here can
 * see, and whoever was only ever named by a router. Source: product §4.12.
 *
 * A little at a time, in passes over all users. Who was unseen in two passes in a row is forgotten. Their
 * numbers are kept back until every inbox has been searched for entries about them, so a number never stands for two users at once.
 */
import type { Delivery } from './delivery.ts';
import type { ReleasedUser, ReleaseOptions } from './engine-api.ts';
import type { Farewells } from './farewells.ts';
import type { Inboxes } from './inboxes.ts';
import type { Interest } from './interest.ts';
import type { KeptAnswers } from './kept-answers.ts';
import type { Observers } from './observers.ts';
import type { Restrictions } from './restrictions.ts';
import type { Rooms } from './rooms.ts';
import type { ServerDelivery } from './server-delivery.ts';
import type { TimerWheel } from './timer-wheel.ts';
import type { Turn } from './turn.ts';
import type { UserTable } from './user-table.ts';

export interface ReleaseParts {
  readonly users: UserTable;
  readonly rooms: Rooms;
  readonly observers: Observers;
  readonly inboxes: Inboxes;
  readonly interest: Interest;
  readonly kept: KeptAnswers;
  readonly turn: Turn;
  readonly wheel: TimerWheel;
  readonly delivery: Delivery;
  readonly marks: ReadonlyMap<number, number>;
  readonly restrictions: Restrictions;
  readonly farewells: Farewells;
  readonly servers: ServerDelivery;
}

export class Release {
  readonly #parts: ReleaseParts;
  /** Whether timers run: if not, a state that was set lasts, seen or not. */
  readonly #expires: boolean;
  /** Next user to look at in this pass, and next inbox to search after it. */
  #nextUser = 0;
  #nextSlot = 0;
  #passTs = -Infinity;
  /** Numbers of forgotten users: of the pass that goes on, and those whom inboxes are searched for. */
  #retired = new Set<number>();
  #searched = new Set<number>();
  /** Until when users count as seen by whoever wants everybody: such an observer may come back. */
  #everybodyUntilTs = -Infinity;
  /** There are stored users, and observers have still to come back to them. */
  #hasRestored = false;

  constructor(parts: ReleaseParts, expires: boolean) {
    this.#parts = parts;
    this.#expires = expires;
  }

  /** Numbers that are kept back. */
  get retired(): number {
    return this.#retired.size + this.#searched.size;
  }

  /** Users of other servers were loaded from the store: they are kept for as long as if an observer of everybody had just gone. */
  noteRestored(): void {
    this.#hasRestored = true;
  }

  /** Goes on with the present pass, or begins one. Returns whom it forgot. */
  run(now: number, options: ReleaseOptions): ReleasedUser[] {
    const { delivery, interest, users } = this.#parts;
    if (interest.everybody.length > 0 || this.#hasRestored) this.#everybodyUntilTs = now + options.everybodyLingerMs;
    this.#hasRestored = false;
    this.#searchInboxes(options.budget);
    if (this.#nextUser === 0) {
      if (now < this.#passTs + options.passIntervalMs) return [];
      this.#passTs = now;
    }
    // What waits for a turn to be durable names users by number.
    if (delivery.isHoldingUp) return [];
    const released: ReleasedUser[] = [];
    const end = Math.min(users.bound, this.#nextUser + options.budget);
    for (let uid = this.#nextUser; uid < end; uid++) {
      if (!users.isUsed(uid)) continue;
      const isUnseen = this.#isUnseen(uid, now, options);
      if (users.markUnseen(uid, isUnseen) && isUnseen) this.#forget(uid, released);
    }
    this.#nextUser = end < users.bound ? end : 0;
    return released;
  }

  #isUnseen(uid: number, now: number, options: ReleaseOptions): boolean {
    const { interest, kept, marks, observers, restrictions, rooms, turn, users } = this.#parts;
    if (rooms.ofUser.size(uid) > 0 || observers.slotOf(uid) >= 0 || (users.firstDevice[uid] as number) >= 0)
      return false;
    if (interest.watchersOf(uid) >= 0 || marks.has(uid) || turn.isBusyWith(uid)) return false;
    if (options.isBusy(uid) || restrictions.isStray(uid)) return false;
    if (users.isBlank(uid)) return kept.position(uid) === 0;
    if (users.isLocal(uid) || !this.#expires) return false;
    const isAnybodyThere = interest.everybody.length > 0 || now < this.#everybodyUntilTs;
    if (kept.position(uid) === 0 && !isAnybodyThere) return true;
    // Seen, but not there: who waits for the place is more interesting.
    const server = users.servers.name(users.server[uid] as number);
    return users.isOffline(uid) && options.isCrowded(server);
  }

  #forget(uid: number, released: ReleasedUser[]): void {
    const { interest, kept, restrictions, servers, turn, users, wheel } = this.#parts;
    if (!kept.forget(uid)) return;
    interest.takeAway(uid);
    restrictions.forgetSource(uid);
    servers.forget(uid);
    released.push({
      uid,
      state: users.record(uid),
      wasTold: users.position[uid] !== 0,
      isBlank: users.isBlank(uid),
      isLocal: users.isLocal(uid),
    });
    wheel.arm(uid, Infinity);
    turn.forget(uid);
    users.retire(uid);
    this.#retired.add(uid);
  }

  #searchInboxes(budget: number): void {
    const { farewells, inboxes, observers, restrictions, users } = this.#parts;
    if (this.#searched.size === 0) {
      if (this.#retired.size === 0) return;
      this.#searched = this.#retired;
      this.#retired = new Set();
      this.#nextSlot = 0;
    }
    const end = Math.min(observers.bound, this.#nextSlot + budget);
    const isForgotten = (uid: number): boolean => this.#searched.has(uid);
    for (let slot = this.#nextSlot; slot < end; slot++) inboxes.dropAbout(slot, isForgotten);
    this.#nextSlot = end;
    if (end < observers.bound) return;
    farewells.forget(isForgotten);
    restrictions.forgetObservers(isForgotten);
    for (const uid of this.#searched) users.ids.reuse(uid);
    this.#searched = new Set();
  }
}
