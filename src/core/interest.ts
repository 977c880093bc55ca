/**
 * Whose presence connected observers want in addition: what `getInterestedUsers` said, in both directions.
 *
 * Kept per slot while the observer is connected. The list as it was given is kept, too, so that the same answer again costs one comparison.
 */
import type { UserId } from '../matrix/identifiers.ts';
import { IntLists } from './int-lists.ts';
import type { UserTable } from './user-table.ts';

export type InterestAnswer = readonly UserId[] | 'ALL';

/** What a new answer changes. */
export interface InterestChange {
  /** It names everybody, which the one before did not; the other way round. */
  readonly gainsAll: boolean;
  readonly losesAll: boolean;
  /** Users whom the one before did not name, and whom this one does not name any more. Whoever had or has everybody: those named only. */
  readonly gained: readonly number[];
  readonly lost: readonly number[];
}

const NOTHING: InterestChange = { gainsAll: false, losesAll: false, gained: [], lost: [] };

/** Of an observer who is away: whom they may have seen present until then, and who went offline so late that not every device need know. */
export interface AwayInterest {
  readonly there: readonly UserId[];
  readonly gone: readonly UserId[];
}

const NOBODY: AwayInterest = { there: [], gone: [] };
/** Users whom observers who are away were interested in, at most. */
const MAX_AWAY_IDS = 500_000;

export class Interest {
  readonly #users: UserTable;
  /** Of observers who are away, by uid, the one who left first first: what they come back with may be less. */
  readonly #away = new Map<number, AwayInterest>();
  #awayIds = 0;
  readonly #answers: (InterestAnswer | undefined)[] = [];
  /** slot → uids, ascending. */
  readonly #wanted = new IntLists();
  /** source uid → index into `watchers`; only for sources somebody is interested in. */
  readonly #watcherList = new Map<number, number>();
  readonly #freedLists: number[] = [];
  #lists = 0;
  /** List of slots, by the index from `watchersOf`. */
  readonly watchers = new IntLists();
  /** Slots of those who want everybody. */
  readonly everybody: number[] = [];

  constructor(users: UserTable) {
    this.#users = users;
  }

  get bytes(): number {
    return this.#wanted.bytes + this.watchers.bytes;
  }

  answerOf(slot: number): InterestAnswer | null {
    return this.#answers[slot] ?? null;
  }

  wantsAll(slot: number): boolean {
    return this.#answers[slot] === 'ALL';
  }

  wants(slot: number, uid: number): boolean {
    return this.wantsAll(slot) ? this.#users.isUsed(uid) : this.#wanted.includesSorted(slot, uid);
  }

  /** uids wanted by name. */
  wantedBy(slot: number): number[] {
    return this.#wanted.values(slot);
  }

  /** Index into `watchers` for a source, or -1. */
  watchersOf(uid: number): number {
    return this.#watcherList.get(uid) ?? -1;
  }

  /** Replaces the answer of the observer in `slot`. */
  set(slot: number, answer: InterestAnswer): InterestChange {
    const before = this.#answers[slot];
    if (before !== undefined && isSameAnswer(before, answer)) return NOTHING;
    if (before === 'ALL') this.everybody.splice(this.everybody.indexOf(slot), 1);
    this.#answers[slot] = answer;
    if (answer === 'ALL') {
      this.#replaceWanted(slot, []);
      this.everybody.push(slot);
      return { ...NOTHING, gainsAll: true };
    }
    const { gained, lost } = this.#replaceWanted(slot, this.#internAll(answer));
    return { gainsAll: false, losesAll: before === 'ALL', gained, lost };
  }

  /** The observer in `slot` is gone. */
  forget(slot: number): void {
    if (this.#answers[slot] === undefined) return;
    this.set(slot, []);
    this.#answers[slot] = undefined;
  }

  /** Remembers whom an observer who goes away was interested in. */
  keepAway(uid: number, away: AwayInterest): void {
    this.takeAway(uid);
    if (away.there.length + away.gone.length === 0) return;
    this.#away.set(uid, away);
    this.#awayIds += away.there.length + away.gone.length;
    for (const oldest of this.#away.keys()) {
      if (this.#awayIds <= MAX_AWAY_IDS) break;
      this.takeAway(oldest);
    }
  }

  /** Whom an observer was interested in when they went away, if they have not been back since. */
  takeAway(uid: number): AwayInterest {
    const away = this.#away.get(uid);
    if (away === undefined) return NOBODY;
    this.#away.delete(uid);
    this.#awayIds -= away.there.length + away.gone.length;
    return away;
  }

  #internAll(answer: readonly UserId[]): number[] {
    const uids = answer.map((userId) => this.#users.intern(userId)).sort((a, b) => a - b);
    return uids.filter((uid, index) => index === 0 || uid !== uids[index - 1]);
  }

  /** Both lists are ascending: one pass finds what is new and what is gone. */
  #replaceWanted(slot: number, next: readonly number[]): Pick<InterestChange, 'gained' | 'lost'> {
    const before = this.#wanted.values(slot);
    const gained: number[] = [];
    const lost: number[] = [];
    const lose = (uid: number): void => {
      lost.push(uid);
      this.#removeWatcher(uid, slot);
    };
    let at = 0;
    for (const uid of next) {
      while (at < before.length && (before[at] as number) < uid) lose(before[at++] as number);
      if (before[at] === uid) at++;
      else {
        gained.push(uid);
        this.#addWatcher(uid, slot);
      }
    }
    while (at < before.length) lose(before[at++] as number);
    this.#wanted.replace(slot, next);
    return { gained, lost };
  }

  #addWatcher(uid: number, slot: number): void {
    let list = this.watchersOf(uid);
    if (list < 0) {
      list = this.#freedLists.pop() ?? this.#lists++;
      this.#watcherList.set(uid, list);
    }
    this.watchers.push(list, slot);
  }

  #removeWatcher(uid: number, slot: number): void {
    const list = this.watchersOf(uid);
    this.watchers.removeSwapping(list, this.watchers.indexOf(list, slot));
    if (this.watchers.size(list) > 0) return;
    this.#watcherList.delete(uid);
    this.#freedLists.push(list);
  }
}

function isSameAnswer(before: InterestAnswer, after: InterestAnswer): boolean {
  if (before === after) return true;
  if (before === 'ALL' || after === 'ALL' || before.length !== after.length) return false;
  return before.every((userId, index) => userId === after[index]);
}
