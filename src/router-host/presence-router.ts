/**
 * Asks all modules, in configuration order, and makes one answer of theirs.
 *
 * Everything is synchronous until a module returns a promise; then, and only then, the rest continues when it has settled.
 * What one module does cannot keep another one's answer from counting.
 */
import type { Observer, RoutingAnswer } from '../core/engine-api.ts';
import type { UserPresenceState } from '../core/user-presence-state.ts';
import type { UserId } from '../matrix/identifiers.ts';
import {
  type NoPresenceRouterCallbacks,
  PRESENCE_ALL_USERS,
  type PresenceRouterCallbacks,
} from '../module/callbacks.ts';
import type { CallbackLimits } from './callback-limits.ts';
import { CallbackList } from './callback-list.ts';
import type { CheckedRoutes } from './check-routes.ts';
import { type Examination, examineModules, type ExamineQuestion } from './examine-modules.ts';
import type { HostContext } from './host-context.ts';
import { KnownIds } from './known-ids.ts';
import { mergeInterest, mergeRoutes } from './merge-answers.ts';
import { type ModuleReport, Registration } from './registration.ts';
import { type Interest, NOBODY, NO_ROUTES, type Restrictions, type Router, UNRESTRICTED } from './router-api.ts';
import { UpdateBatch } from './update-batch.ts';

/** Observers whose merged answers are remembered. */
const MAX_MERGED = 50_000;

export class PresenceRouter implements Router {
  readonly #host: HostContext;
  readonly #ids = new KnownIds();
  /** What is asked. */
  #list = new CallbackList();

  constructor(host: HostContext) {
    this.#host = host;
  }

  get hasCallbacks(): boolean {
    return this.#list.isFinal && this.#list.pairs.length > 0;
  }

  get restricts(): boolean {
    const { isFinal, isAwaited, restrictors } = this.#list;
    return isFinal ? restrictors.length > 0 : isAwaited;
  }

  get deadlineMs(): number {
    return this.#list.deadlineMs;
  }

  /** Adds a pair, a callback that restricts, or all three at the end of the order. They are functions; the caller has looked. */
  register(
    module: string,
    callbacks: PresenceRouterCallbacks | NoPresenceRouterCallbacks,
    limits: CallbackLimits,
    host = this.#host,
    list = this.#list,
  ): void {
    if (list.isFinal) throw new Error('the modules are constructed: the list of callbacks is final');
    list.add(new Registration(module, callbacks, limits, this.#ids, host));
  }

  /** The list is final: from now on modules are asked. */
  seal(): void {
    this.#list.isFinal = true;
  }

  /** Modules are to come, by `exchange`. Until then, `restricts`, and what `getRestrictions` is asked waits for them. */
  awaitModules(): void {
    this.#list.isAwaited = true;
  }

  /** From now on these are asked, also about what the ones before have not answered yet. Returns those before, for the caller to stop. */
  exchange(list: CallbackList): CallbackList {
    const before = this.#list;
    list.isFinal = true;
    this.#list = list;
    before.replaced();
    return before;
  }

  getUsersForStates(states: readonly UserPresenceState[]): RoutingAnswer | Promise<RoutingAnswer> {
    if (!this.hasCallbacks || states.length === 0) return NO_ROUTES;
    const list = this.#list;
    const answer = this.#askRoutes(list, new UpdateBatch(states), 0, []);
    return answer instanceof Promise ? list.untilReplaced(answer, () => this.getUsersForStates(states)) : answer;
  }

  getInterestedUsers(userId: UserId): Interest | Promise<Interest> {
    if (!this.hasCallbacks) return NOBODY;
    const list = this.#list;
    const answer = this.#askInterest(list, userId, 0, []);
    return answer instanceof Promise ? list.untilReplaced(answer, () => this.getInterestedUsers(userId)) : answer;
  }

  examine(question: ExamineQuestion): Promise<Examination> {
    return examineModules(
      this.#list.registrations.map(({ examinable }) => examinable),
      question,
    );
  }

  getRestrictions(source: UserId, observers: readonly Observer[]): Restrictions | Promise<Restrictions> {
    if (!this.restricts) return UNRESTRICTED;
    const list = this.#list;
    // Only modules that are not constructed yet could say.
    if (!list.isFinal) return list.untilReplaced(never(), () => this.getRestrictions(source, observers));
    const answer = list.askRestrictions({ source, observers: Object.freeze(observers.slice()) });
    return answer instanceof Promise
      ? list.untilReplaced(answer, () => this.getRestrictions(source, observers))
      : answer;
  }

  /** How each module does, in configuration order. */
  modules(): readonly ModuleReport[] {
    return this.#list.registrations.map(({ report }) => report);
  }

  forgetObservers(users?: Iterable<UserId>): void {
    const { registrations, merged } = this.#list;
    if (registrations.length === 0) return;
    const list = users === undefined ? undefined : [...users];
    for (const registration of registrations) registration.forget(list);
    if (list === undefined) merged.clear();
    else for (const userId of list) merged.delete(userId);
  }

  /**
   * Aborts what is running and waits for it, `timeoutMs` of real time at most. Nothing is asked any more; what was said last about who must
   * not get presence stands. Never rejects.
   */
  async stop(timeoutMs = 2000): Promise<void> {
    await this.#list.stop(timeoutMs, 'the server is stopping');
  }

  #askRoutes(
    list: CallbackList,
    batch: UpdateBatch,
    from: number,
    answers: CheckedRoutes[],
  ): RoutingAnswer | Promise<RoutingAnswer> {
    for (let index = from; index < list.pairs.length; index += 1) {
      const registration = list.pairs[index];
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
          return this.#askRoutes(list, batch, index + 1, answers);
        });
      }
      take(answer);
    }
    return mergeRoutes(batch, answers);
  }

  #askInterest(list: CallbackList, userId: UserId, from: number, parts: Interest[]): Interest | Promise<Interest> {
    for (let index = from; index < list.pairs.length; index += 1) {
      const answer = list.pairs[index]?.askInterest(userId);
      if (answer instanceof Promise) {
        return answer.then((later) => {
          if (later === PRESENCE_ALL_USERS) return later;
          if (later !== undefined) parts.push(later);
          return this.#askInterest(list, userId, index + 1, parts);
        });
      }
      // The first ALL is the answer; the modules after this one are not asked.
      if (answer === PRESENCE_ALL_USERS) return answer;
      if (answer !== undefined) parts.push(answer);
    }
    return this.#mergeInterest(list, userId, parts);
  }

  #mergeInterest({ merged }: CallbackList, userId: UserId, parts: readonly Interest[]): Interest {
    const [only = NOBODY] = parts;
    if (parts.length < 2) return only;
    const last = merged.get(userId);
    if (last?.parts.length === parts.length && last.parts.every((part, index) => part === parts[index]))
      return last.interest;
    const interest = mergeInterest(parts);
    const [oldest] = merged.keys();
    if (merged.size >= MAX_MERGED && oldest !== undefined) merged.delete(oldest);
    merged.set(userId, { parts, interest });
    return interest;
  }
}

function never(): Promise<never> {
  return new Promise(() => undefined);
}
