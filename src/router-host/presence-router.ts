/**
 * Asks all modules, in configuration order, and makes one answer of theirs.
 *
 * Everything is synchronous until a module returns a promise; then, and only then, the rest continues when it has settled.
 * What one module does cannot keep another one's answer from counting.
 */
import type { RoutingAnswer } from '../core/engine-api.ts';
import type { UserPresenceState } from '../core/user-presence-state.ts';
import type { UserId } from '../matrix/identifiers.ts';
import { PRESENCE_ALL_USERS, type PresenceRouterCallbacks } from '../module/callbacks.ts';
import type { CallbackLimits } from './callback-limits.ts';
import type { CheckedRoutes } from './check-routes.ts';
import { type Examination, examineModules, type ExamineQuestion } from './examine-modules.ts';
import type { HostContext } from './host-context.ts';
import { KnownIds } from './known-ids.ts';
import { mergeInterest, mergeRoutes } from './merge-answers.ts';
import { Registration } from './registration.ts';
import { type Interest, NOBODY, NO_ROUTES, type Router } from './router-api.ts';
import { UpdateBatch } from './update-batch.ts';

/** Observers whose merged answers are remembered. */
const MAX_MERGED = 50_000;

export class PresenceRouter implements Router {
  readonly #host: HostContext;
  readonly #ids = new KnownIds();
  readonly #registrations: Registration[] = [];
  /** Of several modules, by observer: what was merged from what, so that the same parts give the same array. */
  readonly #merged = new Map<UserId, { readonly parts: readonly Interest[]; readonly interest: Interest }>();
  #sealed = false;

  constructor(host: HostContext) {
    this.#host = host;
  }

  get hasCallbacks(): boolean {
    return this.#sealed && this.#registrations.length > 0;
  }

  get deadlineMs(): number {
    return this.#registrations.reduce((longest, { limits }) => Math.max(longest, limits.timeoutMs), 0);
  }

  /** Adds a pair at the end of the order. Both are functions; the caller has looked. */
  register(module: string, callbacks: PresenceRouterCallbacks, limits: CallbackLimits, host = this.#host): void {
    if (this.#sealed) throw new Error('the modules are constructed: the list of callbacks is final');
    this.#registrations.push(new Registration(module, callbacks, limits, this.#ids, host));
  }

  /** The list is final: from now on modules are asked. */
  seal(): void {
    this.#sealed = true;
  }

  getUsersForStates(states: readonly UserPresenceState[]): RoutingAnswer | Promise<RoutingAnswer> {
    if (!this.hasCallbacks || states.length === 0) return NO_ROUTES;
    return this.#askRoutes(new UpdateBatch(states), 0, []);
  }

  getInterestedUsers(userId: UserId): Interest | Promise<Interest> {
    if (!this.hasCallbacks) return NOBODY;
    return this.#askInterest(userId, 0, []);
  }

  examine(question: ExamineQuestion): Promise<Examination> {
    return examineModules(
      this.#list.registrations.map(({ examinable }) => examinable),
      question,
    );
  }

  forgetObservers(users?: Iterable<UserId>): void {
    if (this.#registrations.length === 0) return;
    const list = users === undefined ? undefined : [...users];
    for (const registration of this.#registrations) registration.forget(list);
    if (list === undefined) this.#merged.clear();
    else for (const userId of list) this.#merged.delete(userId);
  }

  /** Aborts what is running and waits for it, `timeoutMs` of real time at most. Nothing is asked any more. Never rejects. */
  async stop(timeoutMs = 2000): Promise<void> {
    const registrations = this.#registrations.splice(0);
    await Promise.all(registrations.map((registration) => registration.stop(timeoutMs)));
  }

  #askRoutes(batch: UpdateBatch, from: number, answers: CheckedRoutes[]): RoutingAnswer | Promise<RoutingAnswer> {
    for (let index = from; index < this.#registrations.length; index += 1) {
      const registration = this.#registrations[index];
      if (registration === undefined) break;
      const take = (answer: CheckedRoutes | undefined): void => {
        if (answer === undefined) return;
        registration.compare(batch, answer);
        answers.push(answer);
      };
      const answer = registration.askRoutes(batch);
      if (answer instanceof Promise) {
        return answer.then((later) => {
          take(later);
          return this.#askRoutes(batch, index + 1, answers);
        });
      }
      take(answer);
    }
    return mergeRoutes(batch, answers);
  }

  #askInterest(userId: UserId, from: number, parts: Interest[]): Interest | Promise<Interest> {
    for (let index = from; index < this.#registrations.length; index += 1) {
      const answer = this.#registrations[index]?.askInterest(userId);
      if (answer instanceof Promise) {
        return answer.then((later) => {
          if (later === PRESENCE_ALL_USERS) return later;
          if (later !== undefined) parts.push(later);
          return this.#askInterest(userId, index + 1, parts);
        });
      }
      // The first ALL is the answer; the modules after this one are not asked.
      if (answer === PRESENCE_ALL_USERS) return answer;
      if (answer !== undefined) parts.push(answer);
    }
    return this.#mergeInterest(userId, parts);
  }

  #mergeInterest(userId: UserId, parts: readonly Interest[]): Interest {
    const [only = NOBODY] = parts;
    if (parts.length < 2) return only;
    const last = this.#merged.get(userId);
    if (last?.parts.length === parts.length && last.parts.every((part, index) => part === parts[index]))
      return last.interest;
    const interest = mergeInterest(parts);
    const [oldest] = this.#merged.keys();
    if (this.#merged.size >= MAX_MERGED && oldest !== undefined) this.#merged.delete(oldest);
    this.#merged.set(userId, { parts, interest });
    return interest;
  }
}
