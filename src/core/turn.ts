/**
 * The turn: which users were touched since the last one was taken, what they were before, and what of it is worth telling.
 *
 * A user makes at most one update a turn, by comparing the record before the first command with the record after the last.
 * Somebody who came and went within one turn is therefore told about only if something else is left of it: a status
 * message, or activity (rule 6 of reference behaviour §2.6).
 */
import type { Counters } from './counters.ts';
import type { PresenceUpdate, TurnChanges } from './engine-api.ts';
import { Form } from './forms.ts';
import { type Comparable, notifyReason } from './notify-rules.ts';
import type { Positions } from './positions.ts';
import { OFFLINE, stateOfCode } from './state-codes.ts';
import type { UserPresenceState } from './user-presence-state.ts';
import type { UserTable } from './user-table.ts';

interface Before extends Comparable {
  readonly lastFederationUpdateTs: number;
  readonly lastUserSyncTs: number;
}

export class Turn {
  readonly #users: UserTable;
  readonly #positions: Positions;
  readonly #counters: Counters;
  readonly #activeWindowMs: number;
  #before = new Map<number, Before>();
  #forced = new Set<number>();
  #pings = new Set<number>();
  /** Users whose record differs from the last saved one in something that is not worth telling. */
  readonly #unpersisted = new Set<number>();
  /** Positions of updates that are taken but not yet published. */
  readonly #taken = new Map<number, number>();
  /** Of the same users: the record that was published last. */
  readonly #shown = new Map<number, UserPresenceState>();
  /** Latest time any command of this turn was given. */
  #now = 0;
  #latestTs = 0;

  constructor(users: UserTable, positions: Positions, counters: Counters, activeWindowMs: number) {
    this.#users = users;
    this.#positions = positions;
    this.#counters = counters;
    this.#activeWindowMs = activeWindowMs;
  }

  /** Something happens at `now`, in this turn. */
  at(now: number): void {
    if (now > this.#now) this.#now = now;
    this.#latestTs = now;
  }

  /** When something happened last, in this turn or before. */
  get latestTs(): number {
    return this.#latestTs;
  }

  /** Call before anything of the user's record is changed. */
  touch(uid: number, now: number): void {
    this.at(now);
    if (!this.#before.has(uid)) this.#before.set(uid, this.#snapshot(uid));
  }

  /** The user is told about even if nothing is different. */
  force(uid: number): void {
    this.#forced.add(uid);
  }

  /** The user's keep-alive is due; forgotten if the turn tells about the user anyway. */
  ping(uid: number): void {
    this.#pings.add(uid);
  }

  /** Ends the turn. `onTold` hears of every user whose `lastFederationUpdateTs` has just moved. */
  take(onTold: (uid: number) => void): TurnChanges {
    const updates: PresenceUpdate[] = [];
    const allocatedBefore = this.#positions.allocated;
    for (const [uid, before] of this.#before) {
      const update = this.#close(uid, before);
      if (update === null) continue;
      updates.push(update);
      onTold(uid);
    }
    this.#counters.add('updatesProcessed', this.#before.size);
    const pings = this.#takePings();
    // New ones: `clear` would tie the old tables to the new in a chain that is only ever collected as a whole.
    if (this.#before.size > 0) this.#before = new Map();
    if (this.#forced.size > 0) this.#forced = new Set();
    this.#now = 0;
    if (updates.length > 0) this.#positions.openTurn(allocatedBefore);
    return { updates, pings, position: this.#positions.allocated };
  }

  /** The update may be shown from now on. */
  published({ uid, position, state }: PresenceUpdate): void {
    if (this.#taken.get(uid) === position) {
      this.#taken.delete(uid);
      this.#shown.delete(uid);
    } else if (this.#taken.has(uid)) this.#shown.set(uid, state);
    if (position > (this.#users.position[uid] as number)) this.#users.position[uid] = position;
  }

  /** Whether the turn would tell about the user if it ended now. */
  isWorthTelling(uid: number): boolean {
    const before = this.#before.get(uid);
    if (before === undefined) return false;
    return this.#forced.has(uid) || notifyReason(before, this.#snapshot(uid), this.#activeWindowMs) !== null;
  }

  /** Whether observers see the user as offline. */
  isShownOffline(uid: number): boolean {
    // A different state is always worth telling, so what is shown is the state before whatever is not published yet.
    const shown = this.#shown.get(uid);
    if (shown !== undefined) return shown.state === 'offline';
    return (this.#before.get(uid)?.state ?? this.#users.state[uid]) === OFFLINE;
  }

  /** The record as observers may see it: without changes worth telling that are not published. */
  shownRecord(uid: number): UserPresenceState {
    const shown = this.#shown.get(uid);
    if (shown !== undefined) return shown;
    const before = this.#before.get(uid);
    return before !== undefined && this.isWorthTelling(uid) ? this.#record(uid, before) : this.#users.record(uid);
  }

  /** Whether anything of the user is still to be told. */
  isBusyWith(uid: number): boolean {
    return this.#before.has(uid) || this.#forced.has(uid) || this.#pings.has(uid) || this.#taken.has(uid);
  }

  /** The user, of whom nothing is still to be told, is forgotten. */
  forget(uid: number): void {
    this.#unpersisted.delete(uid);
    this.#shown.delete(uid);
  }

  /** Whether an update of the user was taken and is not published yet. */
  isOutstanding(uid: number): boolean {
    return this.#taken.has(uid);
  }

  /** The position to save with the user's row: of the last update that was taken, published or not. */
  savedPosition(uid: number): number {
    return this.#taken.get(uid) ?? (this.#users.position[uid] as number);
  }

  takeUnpersisted(): number[] {
    const taken = [...this.#unpersisted];
    this.#unpersisted.clear();
    return taken;
  }

  get unpersistedCount(): number {
    return this.#unpersisted.size;
  }

  #close(uid: number, before: Before): PresenceUpdate | null {
    const users = this.#users;
    const after = this.#snapshot(uid);
    const reason = notifyReason(before, after, this.#activeWindowMs) ?? (this.#forced.has(uid) ? 'forced' : null);
    if (reason === null) {
      // A keep-alive that had nobody to go to is not worth a row.
      const isSent = this.#pings.has(uid) || !users.isLocal(uid);
      if (!isSame(before, after, isSent)) this.#unpersisted.add(uid);
      return null;
    }
    this.#unpersisted.delete(uid);
    this.#pings.delete(uid);
    // Of a remote user, it is when their server was last heard.
    if (users.isLocal(uid)) users.lastFederationUpdateTs[uid] = this.#now;
    const position = this.#positions.next();
    this.#taken.set(uid, position);
    const state = users.record(uid);
    const previousState = stateOfCode(before.state);
    if (!this.#shown.has(uid)) this.#shown.set(uid, this.#record(uid, before));
    this.#counters.addNotified(users.isLocal(uid) ? 'local' : 'remote', reason, previousState, state.state);
    const hiddenBy = this.#forced.has(uid) ? Form.FULL : hidingAll(before, after);
    return { uid, state, previousState, position, reason, hiddenBy };
  }

  #takePings(): PresenceUpdate[] {
    const pings: PresenceUpdate[] = [];
    for (const uid of this.#pings) {
      if (this.#users.isOffline(uid) || this.isShownOffline(uid)) continue;
      // Sent after every update that was taken before: not what is shown until those are published.
      const state = this.#users.record(uid);
      pings.push({ uid, state, previousState: state.state, position: this.savedPosition(uid), reason: 'forced' });
    }
    if (this.#pings.size > 0) this.#pings = new Set();
    this.#counters.add('pings', pings.length);
    return pings;
  }

  #record(uid: number, { state, ...fields }: Before): UserPresenceState {
    return Object.freeze({ userId: this.#users.ids.name(uid), state: stateOfCode(state), ...fields });
  }

  #snapshot(uid: number): Before {
    const users = this.#users;
    return {
      state: users.state[uid] as number,
      statusMsg: users.statusMsg(uid),
      currentlyActive: users.isActive(uid),
      lastActiveTs: users.lastActiveTs[uid] as number,
      lastFederationUpdateTs: users.lastFederationUpdateTs[uid] as number,
      lastUserSyncTs: users.lastUserSyncTs[uid] as number,
    };
  }
}

/** The form that shows no difference between the two; 0 if every form that shows anything does. */
function hidingAll(before: Before, after: Before): Form {
  if (before.state !== after.state) return Form.FULL;
  return (
    (before.statusMsg === after.statusMsg ? 0 : Form.NO_STATUS) |
    (before.currentlyActive === after.currentlyActive ? 0 : Form.NO_CURRENTLY_ACTIVE) |
    (before.lastActiveTs === after.lastActiveTs ? 0 : Form.NO_LAST_ACTIVE)
  );
}

/** Whether no field differs; the rules have already compared state, status and activity flag. */
function isSame(before: Before, after: Before, isSent: boolean): boolean {
  return (
    before.currentlyActive === after.currentlyActive &&
    before.lastActiveTs === after.lastActiveTs &&
    (before.lastFederationUpdateTs === after.lastFederationUpdateTs || !isSent) &&
    before.lastUserSyncTs === after.lastUserSyncTs
  );
}
