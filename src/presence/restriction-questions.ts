/**
 * Asks the modules who must not get what: at most one question about a source at a time, and only so many in all.
 *
 * What is asked about a source while a question about it is out is asked together after it. When modules answer at once, the answer is in
 * effect at once and nothing is kept here. An answer to a question from before an invalidation is not believed: the question is put once
 * more (but not for ever, or a module that invalidates all the time would never be heard).
 */
import type { Observer, RestrictionQuestion } from '../core/engine-api.ts';
import type { UserId } from '../matrix/identifiers.ts';
import type { Restrictions, Router } from '../router-host/router-api.ts';
import { type Background, inBackground } from './background.ts';

/** Questions that modules have not answered yet. */
const MAX_OPEN = 64;
/** Questions put before everybody else has their turn, also when modules answer at once or in the next microtask. */
const MAX_AT_ONCE = 500;
/** Observers that wait to be asked about, of all sources; beyond it a source is asked about whomever it concerns by then. */
const MAX_WAITING = 1_000_000;
/** Answers not believed in a row. */
const MAX_DISBELIEVED = 3;

export interface RestrictionQuestionsOptions extends Background {
  readonly router: Pick<Router, 'getRestrictions'>;
  /** Everybody whom an answer about the source concerns; null if there is nothing to ask. */
  readonly concerned: (source: UserId) => readonly Observer[] | null;
  /** Puts an answer into effect. May ask more; must not throw. */
  readonly onAnswer: (source: UserId, asked: readonly Observer[], answer: Restrictions) => void;
}

interface Entry {
  readonly source: UserId;
  /** To be asked about next. */
  readonly waiting: Set<Observer>;
  /** And everybody whom an answer concerns by then. */
  isAboutAll: boolean;
  asked: ReadonlySet<Observer> | null;
  /** What modules answer from has changed since they were asked. */
  isStale: boolean;
  disbelieved: number;
  /** Called when nothing is out or waits. */
  readonly listeners: (() => void)[];
}

export class RestrictionQuestions {
  readonly #options: RestrictionQuestionsOptions;
  /** Sources that are being asked about, or wait for that. */
  readonly #entries = new Map<UserId, Entry>();
  /** Of those, the ones that wait and are not being asked about, in order. */
  readonly #queue = new Set<Entry>();
  /** And those that are being asked about. */
  readonly #open = new Set<Entry>();
  #waiting = 0;
  #answers = 0;
  #isBusy = false;
  /** Questions that may still be put before others have their turn. */
  #left = MAX_AT_ONCE;
  #isStopped = false;

  constructor(options: RestrictionQuestionsOptions) {
    this.#options = options;
  }

  /** Sources with a question that is out or waits. */
  get size(): number {
    return this.#entries.size;
  }

  /** How many answers have taken effect. */
  get answers(): number {
    return this.#answers;
  }

  /** Asks about pairs of which nothing is known; those who are being asked about are not asked about twice. */
  ask(questions: readonly RestrictionQuestion[]): void {
    for (const { source, observers } of questions) {
      const asked = this.#entries.get(source)?.asked ?? null;
      this.#add(source, asked === null ? observers : observers.filter((observer) => !asked.has(observer)));
    }
    this.#next();
  }

  /** Asks about everybody whom answers about these sources concern. */
  askAboutAll(sources: readonly UserId[]): void {
    for (const source of sources) {
      const entry = this.#entries.get(source) ?? this.#fresh(source);
      entry.isAboutAll = true;
      this.#queueUp(entry);
    }
    this.#next();
  }

  /** What is being asked about these sources, or about any, does not count any more: it is asked once more. */
  distrust(sources?: Iterable<UserId>): void {
    if (sources === undefined) for (const entry of this.#open) entry.isStale = true;
    for (const source of sources ?? []) {
      const entry = this.#entries.get(source);
      if (entry !== undefined && entry.asked !== null) entry.isStale = true;
    }
  }

  /** Resolves when nothing about these sources is out or waits; at once, without a promise, if that is so. */
  whenAnswered(sources: Iterable<UserId>): Promise<void> | undefined {
    const entries: Entry[] = [];
    for (const source of sources) {
      const entry = this.#entries.get(source);
      if (entry !== undefined) entries.push(entry);
    }
    if (entries.length === 0) return undefined;
    return new Promise((resolve) => {
      let left = entries.length;
      const settled = (): void => {
        left--;
        if (left === 0) resolve();
      };
      for (const { listeners } of entries) listeners.push(settled);
    });
  }

  /** Nobody is asked any more, and no answer takes effect. */
  stop(): void {
    this.#isStopped = true;
    this.#queue.clear();
    for (const entry of this.#entries.values()) this.#end(entry);
  }

  #fresh(source: UserId): Entry {
    const entry: Entry = {
      source,
      waiting: new Set(),
      isAboutAll: false,
      asked: null,
      isStale: false,
      disbelieved: 0,
      listeners: [],
    };
    this.#entries.set(source, entry);
    return entry;
  }

  #add(source: UserId, observers: readonly Observer[]): void {
    if (observers.length === 0) return;
    const entry = this.#entries.get(source) ?? this.#fresh(source);
    const before = entry.waiting.size;
    for (const observer of observers) entry.waiting.add(observer);
    this.#waiting += entry.waiting.size - before;
    if (this.#waiting > MAX_WAITING) {
      this.#waiting -= entry.waiting.size;
      entry.waiting.clear();
      entry.isAboutAll = true;
    }
    this.#queueUp(entry);
  }

  #queueUp(entry: Entry): void {
    if (entry.asked === null) this.#queue.add(entry);
  }

  #next(): void {
    // What an answer makes others ask is asked in the loop that is under way.
    if (this.#isBusy || this.#isStopped) return;
    this.#isBusy = true;
    try {
      for (const entry of this.#queue) {
        if (this.#open.size >= MAX_OPEN || this.#left === 0) return;
        if (this.#left === MAX_AT_ONCE) this.#renewSoon();
        this.#left--;
        this.#queue.delete(entry);
        this.#ask(entry);
      }
    } finally {
      this.#isBusy = false;
    }
  }

  #renewSoon(): void {
    this.#options.schedule(() => {
      this.#left = MAX_AT_ONCE;
      this.#next();
    });
  }

  #ask(entry: Entry): void {
    const { concerned, router } = this.#options;
    const { source, waiting } = entry;
    this.#waiting -= waiting.size;
    const all = entry.isAboutAll ? concerned(source) : null;
    for (const observer of all ?? []) waiting.add(observer);
    const observers = [...waiting];
    waiting.clear();
    entry.isAboutAll = false;
    // An answer about everybody is asked for again, also when nobody is there whom it would concern now.
    if (observers.length === 0 && all === null) {
      this.#end(entry);
      return;
    }
    const answer = router.getRestrictions(source, observers);
    if (!(answer instanceof Promise)) {
      this.#take(entry, observers, answer);
      return;
    }
    this.#open.add(entry);
    entry.asked = new Set(observers);
    entry.isStale = false;
    const taken = answer.then((late) => {
      this.#open.delete(entry);
      entry.asked = null;
      if (this.#isStopped) return;
      if (entry.isStale && entry.disbelieved < MAX_DISBELIEVED) {
        entry.disbelieved++;
        this.#add(source, observers);
      } else this.#take(entry, observers, late);
      this.#next();
    });
    inBackground(this.#options, 'restrictions', taken);
  }

  #take(entry: Entry, asked: readonly Observer[], answer: Restrictions): void {
    entry.disbelieved = 0;
    this.#answers++;
    this.#options.onAnswer(entry.source, asked, answer);
    if (entry.waiting.size > 0 || entry.isAboutAll) this.#queue.add(entry);
    else this.#end(entry);
  }

  #end(entry: Entry): void {
    this.#entries.delete(entry.source);
    for (const settled of entry.listeners) settled();
  }
}
