/**
 * What one sync is to be told: everything the observer may see that their token does not cover.
 *
 * Increments come from the observer's inbox if it reaches back to the token, else from looking at everybody visible. A
 * snapshot is due without a token, after a full-presence mark, and when more was gained at once than an inbox holds.
 *
 * `limit` cuts, and the cursor says what is owed: `resume` r with position p means users whose position is in (r, p]. Positions
 * are even. An even r is what is left of a snapshot: those who are not offline. An odd r is what a snapshot leaves out: those who went
 * offline after the token before it, in (r - 1, p]. So the token alone, in any process, is enough to lose nothing. The ways to answer
 * stay in one file, because each must keep what the others' cursors promise.
 */
import type { CollectOptions, Collection, PresenceCursor } from './engine-api.ts';
import type { Counters } from './counters.ts';
import type { Delivery } from './delivery.ts';
import { Form, isHidden, UNKNOWN } from './forms.ts';
import type { Inboxes } from './inboxes.ts';
import type { Losses } from './losses.ts';
import type { Observers } from './observers.ts';
import type { Positions } from './positions.ts';
import type { Restrictions } from './restrictions.ts';
import { Stamps } from './columns.ts';
import type { Turn } from './turn.ts';
import type { UserTable } from './user-table.ts';
import type { Visibility } from './visibility.ts';

interface Candidate {
  readonly uid: number;
  /** Where in the stream the observer is told of this: orders the answer and is what a cursor compares with. */
  readonly position: number;
}

/** A snapshot that is due in the middle of increments. */
interface Due {
  /** Changes after this position were not told. */
  readonly from: number;
  readonly dueAt: number;
}

export interface CollectParts {
  readonly users: UserTable;
  readonly observers: Observers;
  readonly inboxes: Inboxes;
  readonly visibility: Visibility;
  readonly positions: Positions;
  readonly turn: Turn;
  readonly delivery: Delivery;
  readonly counters: Counters;
  readonly restrictions: Restrictions;
  readonly losses: Losses;
  /** Position of the start: nothing is known of who was restricted before. */
  readonly startPosition: number;
  /** Full-presence marks: uid → position. */
  readonly marks: ReadonlyMap<number, number>;
}

export class Collector {
  readonly #parts: CollectParts;
  readonly #listed = new Stamps();

  constructor(parts: CollectParts) {
    this.#parts = parts;
  }

  collect(observer: number, options: CollectOptions): Collection {
    const collection = this.#collect(observer, options);
    const isPlain = this.#parts.losses.areNoneFor(observer) && (options.lost?.length ?? 0) === 0;
    if (isPlain || collection.uids.length === 0 || collection.forms !== null) return collection;
    return { ...collection, forms: Uint8Array.from(collection.uids, (uid) => this.#formOf(observer, uid)) };
  }

  /** Whoever is told of without being seen is told of as offline. */
  #formOf(observer: number, uid: number): Form {
    const form = this.#parts.visibility.formFor(observer, uid);
    return form === UNKNOWN || isHidden(form) ? Form.OFFLINE : form;
  }

  #collect(observer: number, options: CollectOptions): Collection {
    const { since, limit } = options;
    if (limit !== null && limit <= 0) return found([], since ?? { position: this.#published, resume: 0 });
    const slot = this.#parts.observers.slotOf(observer);
    if (since === null) return this.#snapshot(observer, slot, null, options);
    const token = since.position <= this.#published ? since : { ...since, position: this.#published };
    if (slot >= 0) this.#noteToken(slot, token.position, limit);
    const dueAt = this.#snapshotDueAt(observer, slot, token.position);
    if (dueAt === null) {
      const isPlain =
        token.resume === null &&
        limit === null &&
        options.extras.length === 0 &&
        (options.lost === undefined || options.lost.length === 0);
      if (!isPlain || slot < 0 || token.position < (this.#parts.inboxes.floor[slot] as number)) {
        return this.#increment(observer, slot, token, options);
      }
      if (token.position < this.#published) return this.#fromInbox(observer, slot, token.position, options);
      // What a poll finds that comes back at once with the token it was just given.
      this.#parts.counters.add('collectedFromInbox');
      return found([], token);
    }
    const from = isOdd(token.resume) ? (token.resume ?? 0) - 1 : token.position;
    return this.#snapshot(observer, slot, { from, dueAt }, options);
  }

  /** An answer to an old token that is cut must go on as it began, until it has caught up: not everything is in the inbox. */
  #noteToken(slot: number, position: number, limit: number | null): void {
    const { inboxes } = this.#parts;
    const isComplete = inboxes.noteToken(slot, position);
    if (!isComplete && limit !== null) this.#lookAtEverybody(slot);
  }

  /** Answers tokens up to now by looking at everybody visible. */
  #lookAtEverybody(slot: number): void {
    const { floor } = this.#parts.inboxes;
    floor[slot] = Math.max(floor[slot] as number, this.#published);
  }

  get #published(): number {
    return this.#parts.positions.published;
  }

  /** The position at which a snapshot became due after `since`, or null. */
  #snapshotDueAt(observer: number, slot: number, since: number): number | null {
    const { inboxes, marks } = this.#parts;
    const published = this.#published;
    const mark = marks.get(observer) ?? 0;
    const gained = slot >= 0 ? (inboxes.snapshotAt[slot] as number) : 0;
    // Who was kept from whom before the start is not known.
    const { restrictions, startPosition } = this.#parts;
    const started = restrictions.isOn ? startPosition : 0;
    const ended = this.#endedAt(slot);
    const dueAt = Math.max(mark <= published ? mark : 0, gained <= published ? gained : 0, started, ended);
    return dueAt > since ? dueAt : null;
  }

  /** Position at which modules ceased to restrict, if that was while the observer was away: whoever was there was told; else 0. */
  #endedAt(slot: number): number {
    const { offSince } = this.#parts.restrictions;
    const wasThere = slot >= 0 && (this.#parts.inboxes.openedAt[slot] as number) < offSince;
    return wasThere || offSince > this.#published ? 0 : offSince;
  }

  /**
   * Everybody visible who is not offline. With a token, those who went offline after it are owed by the next: a snapshot never
   * names them, and they must not be lost.
   */
  #snapshot(observer: number, slot: number, due: Due | null, options: CollectOptions): Collection {
    const { counters, losses, visibility } = this.#parts;
    counters.add('snapshots');
    const listed: Candidate[] = [];
    const wentOffline: Candidate[] = [];
    const withOffline = due === null && options.includeOffline;
    this.#beginList();
    visibility.eachInSight(observer, (uid, position, own, form) => {
      if (!this.#isAccepted(uid, options)) return;
      // Whoever is not there is no part of it.
      if (due === null && !withOffline && this.#isOffline(uid)) return;
      if (this.#isWithheld(observer, uid, form, due?.from ?? null)) return;
      // A routed delivery counts only where it was the way to tell: else no increment would tell of it again.
      const isShown = withOffline ? (form & Form.DENIED) === 0 : !(this.#isOffline(uid) || isHidden(form));
      if (isShown) this.#add(listed, uid, own);
      else if (due !== null) {
        const at = losses.newsAt(observer, uid, form, own > due.from ? own : position);
        if (at > due.from) wentOffline.push({ uid, position: at });
      }
    });
    if (due !== null) {
      const known = new Set(wentOffline.map(({ uid }) => uid));
      losses.each(observer, due.from, (uid, at) => {
        if (!known.has(uid) && this.#isAccepted(uid, options)) wentOffline.push({ uid, position: at });
      });
    }
    // Whom nothing lists yet is offline.
    const extras = this.#extras(observer, options).filter(({ uid }) => this.#listed.mark(uid));
    listed.sort(byPosition);
    const position = this.#published;
    const limit = options.limit ?? Infinity;
    if (extras.length + listed.length <= limit) {
      const isOwing = wentOffline.some(({ uid }) => this.#listed.mark(uid));
      const resume = isOwing ? oddFrom(due?.from ?? 0) : null;
      return found(uidsOf([...extras, ...listed].sort(byPosition)), { position, resume });
    }
    // No cursor can owe other extras than those who went offline, so they come first.
    const gone = new Set(wentOffline.map(({ uid }) => uid));
    const first = extras.filter(({ uid }) => !gone.has(uid));
    const goneBefore = wentOffline.filter((one) => due !== null && one.position < due.dueAt).sort(byPosition);
    if (goneBefore.length === 0) first.unshift(...wentOffline.filter((one) => one.position === due?.dueAt));
    this.#owe(slot, first.slice(limit));
    const takenFirst = first.slice(0, limit);
    const room = limit - takenFirst.length;
    if (due === null || gone.size === 0) return this.#cutSnapshot(slot, takenFirst, listed, room, position);
    if (goneBefore.length > 0) return this.#cutBefore(due, takenFirst, goneBefore, room);
    // Who went offline after it was due is told by increments, and not in the inbox if visible only since.
    if (slot >= 0) this.#lookAtEverybody(slot);
    const before = listed.filter((one) => one.position <= due.dueAt);
    return this.#cutSnapshot(slot, takenFirst, before, room, due.dueAt);
  }

  /** As much of a snapshot of everybody up to `position` as there is room for. */
  #cutSnapshot(
    slot: number,
    first: readonly Candidate[],
    listed: readonly Candidate[],
    room: number,
    position: number,
  ): Collection {
    const taken = takeUpTo(listed, room);
    const left = listed.slice(taken.length);
    // Whoever was never told of has no position to be owed by.
    this.#owe(
      slot,
      left.filter((one) => one.position === 0),
    );
    const resume = left.length === 0 ? null : evenFrom(taken.at(-1)?.position ?? 0);
    return found(uidsOf(first, taken), { position, resume });
  }

  /** Before a snapshot that will be cut: who went offline before it was due, so that its cursor has only one thing to owe. */
  #cutBefore(due: Due, first: readonly Candidate[], gone: readonly Candidate[], room: number): Collection {
    const taken = takeUpTo(gone, room);
    const position = taken.length === gone.length ? due.dueAt - 2 : (taken.at(-1)?.position ?? due.from);
    return found(uidsOf(first, taken), { position, resume: null });
  }

  /** The increment of nearly every poll that somebody's change ends: all of it is in the inbox, nothing is owed, nothing is cut. */
  #fromInbox(observer: number, slot: number, since: number, options: CollectOptions): Collection {
    const { counters, inboxes, losses } = this.#parts;
    const uids: number[] = [];
    const forms: Form[] | null = losses.areNoneFor(observer) ? null : [];
    inboxes.visit(slot, since, this.#published, (uid) => {
      const form = this.#formToTell(observer, uid, since);
      if (form === UNKNOWN || !this.#isAccepted(uid, options)) return;
      uids.push(uid);
      forms?.push(form);
    });
    counters.add('collectedFromInbox');
    const next = { position: this.#published, resume: null };
    return { uids: uids.reverse(), forms: forms === null ? null : Uint8Array.from(forms.reverse()), next };
  }

  #increment(observer: number, slot: number, since: PresenceCursor, options: CollectOptions): Collection {
    this.#beginList();
    const news = this.#newsSince(observer, slot, since.position, options);
    const owed = since.resume === null ? [] : this.#owed(observer, since.position, since.resume, options);
    const isEven = !isOdd(since.resume);
    const first: Candidate[] = [];
    for (const extra of this.#extras(observer, options)) {
      if (!this.#listed.mark(extra.uid)) continue;
      const canBeOwed = isEven && extra.position > 0 && extra.position <= since.position && !this.#isOffline(extra.uid);
      (canBeOwed ? owed : first).push(extra);
    }
    owed.sort(byPosition);
    const limit = options.limit ?? Infinity;
    if (first.length + owed.length + news.length <= limit) {
      const all = first.length + owed.length === 0 ? news : [...first, ...owed, ...news].sort(byPosition);
      return found(uidsOf(all), { position: this.#published, resume: null });
    }
    this.#owe(slot, first.slice(limit));
    const takenFirst = first.slice(0, limit);
    const takenOwed = takeUpTo(owed, limit - takenFirst.length);
    const takenNews = news.slice(0, Math.max(0, limit - takenFirst.length - takenOwed.length));
    const uids = uidsOf(takenFirst, takenOwed, takenNews);
    if (takenOwed.length < owed.length) {
      const from = takenOwed.at(-1)?.position ?? (owed[0] as Candidate).position - 2;
      return found(uids, { position: since.position, resume: isEven ? evenFrom(from) : oddFrom(from) });
    }
    return found(uids, { position: takenNews.at(-1)?.position ?? since.position, resume: null });
  }

  /** Everybody with something after `since`, by position. */
  #newsSince(observer: number, slot: number, since: number, options: CollectOptions): Candidate[] {
    const { counters, inboxes, losses, visibility } = this.#parts;
    const news: Candidate[] = [];
    if (slot >= 0) {
      inboxes.visit(slot, since, this.#published, (uid, position) => {
        if (this.#formToTell(observer, uid, since) !== UNKNOWN && this.#isAccepted(uid, options))
          this.#add(news, uid, position);
      });
      news.reverse();
      if (since >= (inboxes.floor[slot] as number)) {
        counters.add('collectedFromInbox');
        return news;
      }
    }
    counters.add('collectedByScan');
    visibility.eachInSight(observer, (uid, position, own, form) => {
      const at = losses.newsAt(observer, uid, form, own > since ? own : position);
      if (at <= since || !this.#isAccepted(uid, options) || this.#isWithheld(observer, uid, form, since)) return;
      this.#add(news, uid, at);
    });
    losses.each(observer, since, (uid, at) => {
      if (this.#isAccepted(uid, options)) this.#add(news, uid, at);
    });
    return news.sort(byPosition);
  }

  /** What the snapshot before left, by its cursor's `resume`. */
  #owed(observer: number, until: number, resume: number, options: CollectOptions): Candidate[] {
    const owed: Candidate[] = [];
    const onlyOffline = isOdd(resume);
    const from = onlyOffline ? resume - 1 : resume;
    const { losses, restrictions, visibility } = this.#parts;
    visibility.eachInSight(observer, (uid, position, own, form) => {
      const newest = losses.newsAt(observer, uid, form, own > from && own <= until ? own : position);
      // A newer update has no entry of its own if it was kept from the observer, or all that is new in it is.
      const at = newest > until && restrictions.isOn && !isHidden(form) ? until : newest;
      if (at <= from || at > until || !this.#isAccepted(uid, options)) return;
      if (this.#isWithheld(observer, uid, form, from)) return;
      const isOffline = this.#isOffline(uid) || isHidden(form);
      const isWanted = onlyOffline ? isOffline : (options.includeOffline && (form & Form.DENIED) === 0) || !isOffline;
      if (isWanted) this.#add(owed, uid, at);
    });
    if (onlyOffline) {
      losses.each(observer, from, (uid, at) => {
        if (at <= until && this.#isAccepted(uid, options)) this.#add(owed, uid, at);
      });
    }
    return owed;
  }

  /** Wanted whatever their position, if visible: new room mates. */
  #extras(observer: number, options: CollectOptions): Candidate[] {
    const { losses, users, visibility } = this.#parts;
    const extras: Candidate[] = [];
    for (const userId of options.extras) {
      const uid = users.find(userId);
      if (uid < 0 || uid === observer || !this.#isAccepted(uid, options)) continue;
      const form = visibility.formFor(observer, uid);
      // Whoever is new has not been seen.
      if (this.#isWithheld(observer, uid, form, null)) continue;
      if ((form & Form.DENIED) === 0) extras.push({ uid, position: users.position[uid] as number });
      // Out of sight before, and kept from the observer meanwhile.
      else if (options.since !== null && losses.hasFarewell(observer, uid, options.since.position))
        extras.push({ uid, position: 0 });
    }
    for (const userId of options.since === null ? [] : (options.lost ?? [])) {
      const uid = users.find(userId);
      if (uid < 0 || uid === observer || !this.#isAccepted(uid, options)) continue;
      // In sight again, and offline since: nothing else tells of that.
      if (visibility.wouldSee(observer, uid) && this.#hasGoneOffline(uid, options.since?.position ?? 0)) {
        const form = visibility.formFor(observer, uid);
        if (form !== UNKNOWN && !isHidden(form)) extras.push({ uid, position: 0 });
      }
      // No cursor could owe them.
      if (losses.hasGone(observer, uid, options.since?.position ?? 0)) extras.push({ uid, position: 0 });
    }
    return extras;
  }

  #hasGoneOffline(uid: number, since: number): boolean {
    return this.#isOffline(uid) && (this.#parts.users.position[uid] as number) > since;
  }

  /** In what form an entry of the inbox is to be told: the update, or that the observer has lost somebody; `UNKNOWN` for not at all. */
  #formToTell(observer: number, uid: number, since: number): Form {
    const { losses, visibility } = this.#parts;
    if (losses.areNoneFor(observer)) return visibility.mayBeTold(observer, uid) ? Form.FULL : UNKNOWN;
    const form = visibility.formToTell(observer, uid);
    if (form !== UNKNOWN) return form;
    return losses.isTold(observer, uid, since) ? Form.OFFLINE : UNKNOWN;
  }

  /** Nobody has said yet whether the observer, who has been told of everything up to `since`, may be told: they are when somebody does. */
  #isWithheld(observer: number, uid: number, form: Form, since: number | null): boolean {
    if (form !== UNKNOWN) return false;
    const { restrictions } = this.#parts;
    restrictions.withheld.add(uid, observer, since !== null && restrictions.lostAt(uid, observer) > since);
    return true;
  }

  /** Puts what a cursor cannot owe into the inbox, for the observer's next sync. */
  #owe(slot: number, candidates: readonly Candidate[]): void {
    if (slot < 0 || candidates.length === 0) return;
    const { delivery, observers, visibility } = this.#parts;
    const isLost = ({ uid }: Candidate): boolean => visibility.hasLost(observers.uid[slot] as number, uid);
    delivery.tellAnew(slot, uidsOf(candidates.filter((one) => !isLost(one))));
    const lost = candidates.filter(isLost);
    if (lost.length > 0) delivery.tellGone(slot, uidsOf(lost));
  }

  #isOffline(uid: number): boolean {
    return this.#parts.turn.isShownOffline(uid);
  }

  #isAccepted(uid: number, { accept }: CollectOptions): boolean {
    return accept === null || accept(this.#parts.users.ids.name(uid));
  }

  #beginList(): void {
    this.#listed.begin(this.#parts.users.bound);
  }

  /** Lists a user unless they are listed already. */
  #add(list: Candidate[], uid: number, position: number): void {
    if (this.#listed.mark(uid)) list.push({ uid, position });
  }
}

/** What is found, in full unless the caller says otherwise. */
function found(uids: readonly number[], next: PresenceCursor): Collection {
  return { uids, forms: null, next };
}

/** The first `count`, and whoever comes next at a position that a cursor could not tell from the last one's. */
function takeUpTo(sorted: readonly Candidate[], count: number): readonly Candidate[] {
  let end = Math.max(0, Math.min(count, sorted.length));
  const last = end === 0 ? -1 : evenFrom((sorted[end - 1] as Candidate).position);
  if (last > 0) while ((sorted[end]?.position ?? Infinity) <= last) end++;
  return sorted.slice(0, end);
}

function isOdd(resume: number | null): boolean {
  return resume !== null && resume % 2 !== 0;
}

function evenFrom(position: number): number {
  return position + (position % 2);
}

function oddFrom(position: number): number {
  return position % 2 === 0 ? position + 1 : position;
}

function byPosition(a: Candidate, b: Candidate): number {
  return a.position - b.position || a.uid - b.uid;
}

function uidsOf(...lists: readonly (readonly Candidate[])[]): number[] {
  return lists.flatMap((list) => list.map(({ uid }) => uid));
}
