/**
 * Asks the routers whom each connected observer is interested in, and gives the answers to the engine.
 *
 * The first sync of an observer waits for the answer, at most until the routers' deadline; later syncs ask again in parallel, at
 * once unless they come very often. An answer of an older question never replaces that of a newer one. At most two questions about
 * one observer are open.
 */
import type { UserId } from '../matrix/identifiers.ts';
import type { Interest, Router } from '../router-host/index.ts';
import { type Background, inBackground } from './background.ts';
import { atMost } from './deadline.ts';
import { type Paced, QuestionPace } from './question-pace.ts';

const MAX_OPEN = 2;

export interface InterestKeeperOptions extends Background {
  readonly router: Router;
  readonly isConnected: (userId: UserId) => boolean;
  /** Called when the answer is not the one given before. */
  readonly apply: (userId: UserId, interest: Interest) => void;
}

interface Entry extends Paced {
  readonly userId: UserId;
  /** Number of the newest question, and of the one whose answer is in effect. */
  asked: number;
  answered: number;
  open: number;
  /** Something changed while the most questions were open: ask once more when one is answered. */
  askAgain: boolean;
  interest: Interest | null;
  /** Settles when the newest question is answered. */
  answer: Promise<void> | null;
}

export class InterestKeeper {
  readonly #options: InterestKeeperOptions;
  readonly #entries = new Map<UserId, Entry>();
  readonly #pace: QuestionPace<Entry>;

  constructor(options: InterestKeeperOptions) {
    this.#options = options;
    this.#pace = new QuestionPace(options.clock, (entry) => this.#askAgain(entry));
  }

  get size(): number {
    return this.#entries.size;
  }

  /** An observer connects: resolves when their interest is in effect, or the deadline has passed. */
  begin(userId: UserId): void | Promise<void> {
    if (!this.#options.router.hasCallbacks) return;
    const known = this.#entries.get(userId);
    // Asked just now by another device, or left over from a connection that has ended.
    if (known?.interest !== null || known.open === 0) this.#ask(userId, this.#fresh(userId));
    const answer = this.#entries.get(userId)?.answer ?? null;
    if (answer !== null) return this.#untilDeadline(answer);
  }

  /** A connected observer syncs again: what was true when they did is in effect soon, without their waiting for it. */
  refresh(userId: UserId): void {
    if (!this.#options.router.hasCallbacks) return;
    const entry = this.#entries.get(userId) ?? this.#fresh(userId);
    if (entry.open === 0) this.#pace.request(entry);
  }

  /** What is behind the answers has changed, for these observers or for all. Those who are not connected are asked when they sync. */
  invalidate(users?: Iterable<UserId>): void {
    if (!this.#options.router.hasCallbacks) return;
    const concerned = users ?? [...this.#entries.keys()];
    for (const userId of concerned) {
      const entry = this.#entries.get(userId);
      if (entry === undefined || !this.#options.isConnected(userId)) continue;
      if (entry.open < MAX_OPEN) this.#ask(userId, entry);
      else entry.askAgain = true;
    }
  }

  /** Others are to answer about these observers from now on. Resolves when they have, or the time for it is over. */
  async askAgain(observers: readonly UserId[]): Promise<void> {
    const open: Promise<void>[] = [];
    for (const userId of observers) {
      if (!this.#options.isConnected(userId)) continue;
      const entry = this.#entries.get(userId) ?? this.#fresh(userId);
      if (entry.open < MAX_OPEN) this.#ask(userId, entry);
      else entry.askAgain = true;
      if (entry.answer !== null) open.push(entry.answer);
    }
    if (open.length > 0) await this.#untilDeadline(Promise.all(open).then(() => undefined));
  }

  /** Nobody answers any more: observers are interested in nobody. */
  forgetAnswers(): void {
    for (const [userId, entry] of this.#entries) {
      // What is still open does not count any more.
      entry.answered = Infinity;
      this.#entries.delete(userId);
      if (entry.interest !== null && this.#options.isConnected(userId)) this.#options.apply(userId, []);
    }
  }

  /** Asks about somebody who need not be an observer, without keeping the answer. Null after the deadline. */
  async lookUp(userId: UserId): Promise<Interest | null> {
    const { router } = this.#options;
    if (!router.hasCallbacks) return null;
    let found: Interest | null = null;
    const answer = router.getInterestedUsers(userId);
    if (!(answer instanceof Promise)) found = answer;
    else {
      await this.#untilDeadline(
        answer.then((interest) => {
          found = interest;
        }),
      );
    }
    if (!this.#entries.has(userId)) router.forgetObservers([userId]);
    return found;
  }

  /** Forgets observers who are not connected any more. */
  sweep(): void {
    const gone: UserId[] = [];
    for (const [userId, entry] of this.#entries) {
      if (entry.open > 0 || this.#options.isConnected(userId)) continue;
      this.#entries.delete(userId);
      gone.push(userId);
    }
    if (gone.length > 0) this.#options.router.forgetObservers(gone);
  }

  /** Nobody is asked about any more. */
  stop(): void {
    this.#pace.stop();
  }

  #fresh(userId: UserId): Entry {
    const last = this.#entries.get(userId);
    const entry: Entry = {
      userId,
      asked: 0,
      answered: 0,
      open: 0,
      askAgain: false,
      interest: null,
      answer: null,
      paidUntilTs: 0,
      isPutOff: false,
    };
    // Questions of the connection before, if any are open, must not answer for this one.
    if (last !== undefined) last.answered = Infinity;
    this.#entries.set(userId, entry);
    return entry;
  }

  /** For a sync, at once or put off. */
  #askAgain(entry: Entry): void {
    const { userId } = entry;
    if (this.#entries.get(userId) !== entry || !this.#options.isConnected(userId)) return;
    if (entry.open === 0) this.#ask(userId, entry);
    else entry.askAgain = true;
  }

  #ask(userId: UserId, entry: Entry): void {
    const number = ++entry.asked;
    entry.open++;
    const answer = this.#options.router.getInterestedUsers(userId);
    if (!(answer instanceof Promise)) {
      this.#settle(userId, entry, number, answer);
      return;
    }
    const settled = answer.then((interest) => this.#settle(userId, entry, number, interest));
    entry.answer = settled;
    inBackground(this.#options, 'interest', settled);
  }

  #settle(userId: UserId, entry: Entry, number: number, interest: Interest): void {
    entry.open--;
    if (number === entry.asked) entry.answer = null;
    if (number > entry.answered) {
      entry.answered = number;
      const isNew = entry.interest !== interest;
      entry.interest = interest;
      if (isNew && this.#options.isConnected(userId)) this.#options.apply(userId, interest);
    }
    if (!entry.askAgain || this.#entries.get(userId) !== entry) return;
    entry.askAgain = false;
    this.#ask(userId, entry);
  }

  #untilDeadline(answer: Promise<void>): Promise<void> {
    return atMost(this.#options.clock, this.#options.router.deadlineMs, answer);
  }
}
