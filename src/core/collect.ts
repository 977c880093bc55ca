/**
 * What one sync is to be told: everything the observer may see that their token does not cover.
 *
 * Increments come from the observer's inbox if it reaches back to the token, else from looking at everybody visible. A
 * snapshot is due without a token, after a full-presence mark, and when more was gained at once than an inbox holds. `limit` cuts, and the
 * cursor says what is owed: `resume` r with position p means users last told of at a position in (r, p].
 */
import type { CollectOptions, Collection, PresenceCursor } from './engine-api.ts';
import type { Counters } from './counters.ts';
import type { Delivery } from './delivery.ts';
import type { Inboxes } from './inboxes.ts';
import type { Observers } from './observers.ts';
import type { Positions } from './positions.ts';
import { Stamps } from './columns.ts';
import type { UserTable } from './user-table.ts';
import type { Visibility } from './visibility.ts';

interface Candidate {
  readonly uid: number;
  /** Where in the stream the observer is told of this: orders the answer and is what a cursor compares with. */
  readonly position: number;
}

export interface CollectParts {
  readonly users: UserTable;
  readonly observers: Observers;
  readonly inboxes: Inboxes;
  readonly visibility: Visibility;
  readonly positions: Positions;
  readonly delivery: Delivery;
  readonly counters: Counters;
  /** Full-presence marks: uid → position. */
  readonly marks: ReadonlyMap<number, number>;
  readonly maxPendingPerObserver: number;
}

export class Collector {
  readonly #parts: CollectParts;
  readonly #listed = new Stamps();

  constructor(parts: CollectParts) {
    this.#parts = parts;
  }

  collect(observer: number, options: CollectOptions): Collection {
    const { since, limit } = options;
    if (limit !== null && limit <= 0) return { uids: [], next: since ?? { position: this.#published, resume: 0 } };
    const slot = this.#parts.observers.slotOf(observer);
    if (since === null) return this.#snapshot(observer, slot, null, options);
    const token = { ...since, position: Math.min(since.position, this.#published) };
    if (slot >= 0) this.#parts.inboxes.noteToken(slot, token.position);
    return this.#isSnapshotDue(observer, slot, token.position)
      ? this.#snapshot(observer, slot, token.position, options)
      : this.#increment(observer, slot, token, options);
  }

  get #published(): number {
    return this.#parts.positions.published;
  }

  #isSnapshotDue(observer: number, slot: number, since: number): boolean {
    const { inboxes, marks } = this.#parts;
    const isDue = (at: number): boolean => since < at && at <= this.#published;
    return isDue(marks.get(observer) ?? 0) || (slot >= 0 && isDue(inboxes.snapshotAt[slot] as number));
  }

  /**
   * Everybody visible who is not offline. With a token, those who went offline after it are told of in the next increment: a
   * snapshot never names them, and they must not be lost.
   */
  #snapshot(observer: number, slot: number, since: number | null, options: CollectOptions): Collection {
    const { counters, maxPendingPerObserver, users, visibility } = this.#parts;
    counters.add('snapshots');
    const listed: Candidate[] = [];
    const wentOffline: Candidate[] = [];
    const withOffline = since === null && options.includeOffline;
    this.#beginList();
    visibility.eachVisible(observer, (uid, position) => {
      if (!this.#isAccepted(uid, options)) return;
      if (withOffline || !users.isOffline(uid)) this.#add(listed, uid, position);
      else if (since !== null && position > since) wentOffline.push({ uid, position });
    });
    const extras = this.#extras(observer, options);
    if (slot < 0 || wentOffline.length > maxPendingPerObserver / 2) {
      for (const { uid, position } of wentOffline) this.#add(listed, uid, position);
    } else if (wentOffline.length > 0) {
      this.#owe(
        slot,
        wentOffline.filter(({ uid }) => this.#listed.mark(uid)),
      );
    }
    // Extras whom nothing else lists are offline; those come first, because a cursor cannot owe them.
    const first = extras.filter(({ uid }) => this.#listed.mark(uid)).sort(byPosition);
    listed.sort(byPosition);
    const position = this.#published;
    const limit = options.limit ?? Infinity;
    if (first.length + listed.length <= limit) return { uids: uidsOf(first, listed), next: { position, resume: null } };
    const taken = listed.slice(0, Math.max(0, limit - first.length));
    const resume = taken.at(-1)?.position ?? 0;
    // Never-told users have no position to resume from.
    this.#owe(slot, [...first.slice(limit), ...listed.slice(taken.length).filter((one) => one.position <= resume)]);
    return { uids: uidsOf(first.slice(0, limit), taken), next: { position, resume } };
  }

  #increment(observer: number, slot: number, since: PresenceCursor, options: CollectOptions): Collection {
    this.#beginList();
    const news = this.#newsSince(observer, slot, since.position, options);
    const owed = since.resume === null ? [] : this.#owed(observer, since.position, since.resume, options);
    const first: Candidate[] = [];
    for (const extra of this.#extras(observer, options)) {
      if (!this.#listed.mark(extra.uid)) continue;
      const canResume = extra.position > 0 && extra.position <= since.position && !this.#isOffline(extra.uid);
      (canResume ? owed : first).push(extra);
    }
    owed.sort(byPosition);
    const limit = options.limit ?? Infinity;
    if (first.length + owed.length + news.length <= limit) {
      return { uids: uidsOf(first, owed, news), next: { position: this.#published, resume: null } };
    }
    return this.#cut(slot, since.position, limit, { first, owed, news });
  }

  /** The first `limit` of the three, in their order, and the cursor that owes the rest. */
  #cut(
    slot: number,
    since: number,
    limit: number,
    { first, owed, news }: Record<'first' | 'owed' | 'news', readonly Candidate[]>,
  ): Collection {
    this.#owe(slot, first.slice(limit));
    const takenFirst = first.slice(0, limit);
    const takenOwed = owed.slice(0, limit - takenFirst.length);
    const takenNews = news.slice(0, limit - takenFirst.length - takenOwed.length);
    const uids = uidsOf(takenFirst, takenOwed, takenNews);
    if (takenOwed.length < owed.length) {
      const resume = takenOwed.at(-1)?.position ?? (owed[0] as Candidate).position - 1;
      return { uids, next: { position: since, resume } };
    }
    return { uids, next: { position: takenNews.at(-1)?.position ?? since, resume: null } };
  }

  /** Everybody with something after `since`, by position. */
  #newsSince(observer: number, slot: number, since: number, options: CollectOptions): Candidate[] {
    const { counters, inboxes, visibility } = this.#parts;
    const news: Candidate[] = [];
    if (slot >= 0) {
      inboxes.visit(slot, since, this.#published, (uid, position) => {
        if (!visibility.canSee(observer, uid) || !this.#isAccepted(uid, options)) return;
        this.#add(news, uid, position);
      });
      news.reverse();
      if (since >= (inboxes.floor[slot] as number)) {
        counters.add('collectedFromInbox');
        return news;
      }
    }
    counters.add('collectedByScan');
    visibility.eachVisible(observer, (uid, position) => {
      if (position > since && this.#isAccepted(uid, options)) this.#add(news, uid, position);
    });
    return news.sort(byPosition);
  }

  /** What an earlier cut left: part of a snapshot, so without those who are offline unless they were asked for. */
  #owed(observer: number, until: number, resume: number, options: CollectOptions): Candidate[] {
    const owed: Candidate[] = [];
    this.#parts.visibility.eachVisible(observer, (uid, position) => {
      if (position <= resume || position > until) return;
      if (this.#isOffline(uid) && !options.includeOffline) return;
      if (this.#isAccepted(uid, options)) this.#add(owed, uid, position);
    });
    return owed;
  }

  /** Wanted whatever their position, if visible: new room mates. */
  #extras(observer: number, options: CollectOptions): Candidate[] {
    const { users, visibility } = this.#parts;
    const extras: Candidate[] = [];
    for (const userId of options.extras) {
      const uid = users.find(userId);
      if (uid < 0 || uid === observer || !visibility.canSee(observer, uid)) continue;
      if (this.#isAccepted(uid, options)) extras.push({ uid, position: users.position[uid] as number });
    }
    return extras;
  }

  /** Puts what a cursor cannot owe into the inbox, for the observer's next sync. */
  #owe(slot: number, candidates: readonly Candidate[]): void {
    if (slot < 0 || candidates.length === 0) return;
    this.#parts.delivery.tellAnew(
      slot,
      candidates.map(({ uid }) => uid),
    );
  }

  #isOffline(uid: number): boolean {
    return this.#parts.users.isOffline(uid);
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

function byPosition(a: Candidate, b: Candidate): number {
  return a.position - b.position || a.uid - b.uid;
}

function uidsOf(...lists: readonly (readonly Candidate[])[]): number[] {
  return lists.flatMap((list) => list.map(({ uid }) => uid));
}
