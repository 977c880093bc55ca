/**
 * The callbacks of one set of modules, in configuration order: what a router asks as long as it has this list, and what waits for their answers.
 *
 * A router exchanges its list as a whole. Whoever waits then is answered by the new list, so that no answer of the old one counts any more.
 */
import type { UserId } from '../matrix/identifiers.ts';
import type { Registration } from './registration.ts';
import type { Interest } from './router-api.ts';

export class CallbackList {
  readonly registrations: Registration[] = [];
  /** Of several modules, by observer: what was merged from what, so that the same parts give the same array. */
  readonly merged = new Map<UserId, { readonly parts: readonly Interest[]; readonly interest: Interest }>();
  /** Asks again, for each answer that is waited for. */
  readonly #waiting = new Set<() => void>();
  isFinal = false;

  get deadlineMs(): number {
    return this.registrations.reduce((longest, { limits }) => Math.max(longest, limits.timeoutMs), 0);
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
  }

  /** Aborts what is running and waits for it, `timeoutMs` of real time at most. Nothing more is asked. Never rejects. */
  async stop(timeoutMs: number, reason: string): Promise<void> {
    const registrations = this.registrations.splice(0);
    await Promise.all(registrations.map((registration) => registration.stop(timeoutMs, reason)));
  }
}
