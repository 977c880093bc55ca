/**
 * The callbacks of one set of modules, in configuration order: what a router asks as long as it has this list, and what waits for their answers.
 *
 * A router exchanges its list as a whole. Whoever waits then is answered by the new list, so that no answer of the old one counts any more.
 */
import type { UserId } from '../matrix/identifiers.ts';
import type { Registration } from './registration.ts';
import { mergeRestrictions, type RestrictionRequest } from './restriction-answers.ts';
import type { Restrictor } from './restrictor.ts';
import type { Interest, Restrictions } from './router-api.ts';

export class CallbackList {
  /** What each module registered, in order. */
  readonly registrations: Registration[] = [];
  /** Those of them that have the pair. */
  readonly pairs: Registration[] = [];
  /** Of those that restrict; they keep what they said last when all are stopped. */
  readonly restrictors: Restrictor[] = [];
  /** Of several modules, by observer: what was merged from what, so that the same parts give the same array. */
  readonly merged = new Map<UserId, { readonly parts: readonly Interest[]; readonly interest: Interest }>();
  /** Asks again, for each answer that is waited for. */
  readonly #waiting = new Set<() => void>();
  isFinal = false;
  /** Its modules are still to come, and whether they restrict is not known: until it is, everything is kept back. */
  isAwaited = false;

  get deadlineMs(): number {
    return this.registrations.reduce((longest, { limits }) => Math.max(longest, limits.timeoutMs), 0);
  }

  /** At the end of the order. */
  add(registration: Registration): void {
    this.registrations.push(registration);
    if (registration.hasPair) this.pairs.push(registration);
    if (registration.restrictor !== null) this.restrictors.push(registration.restrictor);
  }

  /** Asks all that restrict, each before any of them has answered, so that one deadline bounds the wait for all. Never rejects. */
  askRestrictions(request: RestrictionRequest): Restrictions | Promise<Restrictions> {
    const answers = this.restrictors.map((restrictor) => restrictor.ask(request));
    const settled = answers.filter((answer): answer is Restrictions => !(answer instanceof Promise));
    if (settled.length === answers.length) return mergeRestrictions(request.observers, settled);
    return Promise.all(answers.map(async (answer) => answer)).then((all) => mergeRestrictions(request.observers, all));
  }

  /** Resolves with the answer, or with that of `again` if the list is replaced before it comes. */
  untilReplaced<T>(answer: Promise<T>, again: () => T | Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const askAgain = (): void => resolve(again());
      this.#waiting.add(askAgain);
      answer.then((late) => {
        if (this.#waiting.delete(askAgain)) resolve(late);
      }, reject);
    });
  }

  /** Another list is asked from now on. */
  replaced(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const askAgain of waiting) askAgain();
    this.merged.clear();
    for (const registration of this.registrations) registration.forget(undefined);
    for (const restrictor of this.restrictors) restrictor.forget();
  }

  /** Aborts what is running and waits for it, `timeoutMs` of real time at most. Nothing more is asked: of who must not get presence, what was said last stands. Never rejects. */
  async stop(timeoutMs: number, reason: string): Promise<void> {
    const registrations = this.registrations.splice(0);
    this.pairs.length = 0;
    await Promise.all(registrations.map((registration) => registration.stop(timeoutMs, reason)));
  }
}
