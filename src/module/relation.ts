/**
 * The single relation "who observes whom", from which all callbacks of a router follow, so that they cannot disagree.
 *
 *     #observed   observer → sources      what getInterestedUsers says, as a frozen array that stays until it changes
 *     #routes     source → observers      what getUsersForStates says, as the very Map that it returns
 *
 * Both are kept up to date at each change, so an answer looks at nobody whom it does not concern and, for one update, makes nothing new.
 * Long, because every change has to keep the two alike.
 */
import { serverNameOf, type UserId } from '../matrix/identifiers.ts';
import {
  EVERYBODY_ELSE,
  type InterestedUsers,
  type Observer,
  PRESENCE_ALL_USERS,
  type Restriction,
  type Restrictions,
  type RoutedUpdate,
  type UsersForStates,
} from './callbacks.ts';
import type { ModuleApi } from './module-api.ts';
import { RelationChanges } from './relation-changes.ts';
import { checkUserOrAll, checkUsersOrAll, type ObserverPair, type UserOrAll } from './relation-pairs.ts';

/** @since 0.1 */
export interface RelationOptions {
  /**
   * Nobody else sees anybody: whoever is not in the relation is denied, people who share a room, too. Another server gets a user's presence if
   * one of its users observes that user. @default false: the relation adds to shared rooms
   */
  readonly only?: boolean;
}

/** What one observer sees; for the observer `PRESENCE_ALL_USERS`, what everybody here does. */
interface Observed {
  readonly sources: Set<UserId>;
  seesAll: boolean;
  /** Null after a change. */
  answer: readonly UserId[] | null;
}

interface Routes {
  /** The update of the source, whatever it is: only its user counts. */
  readonly updates: readonly RoutedUpdate[];
  readonly to: Map<UserId, readonly RoutedUpdate[]>;
}

const NOBODY: readonly UserId[] = Object.freeze([]);
const NO_ROUTES: ReadonlyMap<UserId, readonly RoutedUpdate[]> = new Map();

/**
 * Who observes whom: a set of pairs, each of an observer and a source, that answers for a module.
 *
 * Change it at any time. What a change means is told at once, and for all changes of one go together: who gains sight gets the present
 * state, who loses it is told no more. Observers and sources may be users of this server or of others.
 *
 * @example
 * ```ts
 * const relation = new ObserverRelation([['@alice:example.org', '@bob:example.org']]).register(api);
 * relation.add('@alice:example.org', '@charlie:elsewhere.example');
 * relation.delete('@alice:example.org', '@bob:example.org');
 * ```
 * @since 0.1
 */
export class ObserverRelation implements Iterable<ObserverPair> {
  readonly #observed = new Map<UserOrAll, Observed>();
  readonly #routes = new Map<UserId, Routes>();
  /** Users here who were asked about while somebody is seen by everybody: that is who everybody is. */
  readonly #asked = new Set<UserId>();
  /** Who sees everybody, but for `PRESENCE_ALL_USERS`. */
  readonly #seeAll = new Set<UserId>();
  readonly #changes = new RelationChanges();
  #isMine: ModuleApi['isMine'] = () => true;
  #size = 0;

  /** @throws TypeError that names the first thing that is not a user id */
  constructor(pairs: Iterable<ObserverPair> = []) {
    for (const [observer, source] of pairs) this.add(observer, source);
  }

  /** How many pairs there are. */
  get size(): number {
    return this.#size;
  }

  /**
   * Registers the callbacks with the server, which asks them from then on. Once, while the module is constructed.
   *
   * @returns the relation
   */
  register(api: ModuleApi, { only = false }: RelationOptions = {}): this {
    this.#isMine = (id) => api.isMine(id);
    api.registerPresenceRouterCallbacks({
      getUsersForStates: (stateUpdates) => this.#usersForStates(stateUpdates),
      getInterestedUsers: (userId) => this.#interestedUsers(userId),
      ...(only ? { getRestrictions: (source, observers) => this.#restrictions(source, observers) } : {}),
    });
    this.#changes.tell(api, only);
    return this;
  }

  /** Whether this very pair is in it. */
  has(observer: UserOrAll, source: UserOrAll): boolean {
    const observed = this.#observed.get(observer);
    if (observed === undefined) return false;
    return source === PRESENCE_ALL_USERS ? observed.seesAll : observed.sources.has(source);
  }

  /**
   * Adds a pair. Everybody sees themself anyway: a pair of one and the same user is left out.
   *
   * @returns whether it is new
   * @throws TypeError that names what is not a user id
   */
  add(observer: UserOrAll, source: UserOrAll): boolean {
    checkUserOrAll('observer', observer);
    checkUserOrAll('source', source);
    if (this.has(observer, source) || (observer === source && source !== PRESENCE_ALL_USERS)) return false;
    const observed = this.#observed.get(observer) ?? { sources: new Set(), seesAll: false, answer: null };
    this.#observed.set(observer, observed);
    this.#forgetAnswer(observer, observed);
    if (source === PRESENCE_ALL_USERS) {
      observed.seesAll = true;
      if (observer !== PRESENCE_ALL_USERS) this.#seeAll.add(observer);
    } else {
      observed.sources.add(source);
      const { to, updates } = this.#routesOf(source);
      for (const user of observer === PRESENCE_ALL_USERS ? this.#asked : [observer]) {
        if (user !== source) to.set(user, updates);
      }
    }
    this.#size += 1;
    this.#changes.gained(observer, source);
    return true;
  }

  /** Takes a pair out. @returns whether it was there */
  delete(observer: UserOrAll, source: UserOrAll): boolean {
    const observed = this.#observed.get(observer);
    if (observed === undefined || !this.has(observer, source)) return false;
    this.#forgetAnswer(observer, observed);
    if (source === PRESENCE_ALL_USERS) {
      observed.seesAll = false;
      if (observer !== PRESENCE_ALL_USERS) this.#seeAll.delete(observer);
    } else {
      observed.sources.delete(source);
      this.#unroute(observer, source);
    }
    if (observed.sources.size === 0 && !observed.seesAll) this.#observed.delete(observer);
    this.#size -= 1;
    this.#changes.lost(observer, source);
    return true;
  }

  /**
   * Makes these the sources of an observer, and no others: user ids, or `PRESENCE_ALL_USERS`.
   *
   * @throws TypeError that names the first thing that is not a user id; nothing changes then
   */
  set(observer: UserOrAll, sources: Iterable<UserOrAll> | UserOrAll): void {
    checkUserOrAll('observer', observer);
    this.#assign(observer, checkUsersOrAll('source', sources));
  }

  /**
   * Makes these the observers of a source, and no others: user ids, or `PRESENCE_ALL_USERS`, which means everybody here. Those who see everybody
   * are not concerned.
   *
   * @throws TypeError that names the first thing that is not a user id; nothing changes then
   */
  setObserversOf(source: UserId, observers: Iterable<UserOrAll> | UserOrAll): void {
    checkUserOrAll('source', source);
    const wanted = checkUsersOrAll('observer', observers);
    const before = [PRESENCE_ALL_USERS, ...(this.#routes.get(source)?.to.keys() ?? [])] as const;
    for (const observer of before) if (!wanted.has(observer)) this.delete(observer, source);
    for (const observer of wanted) this.add(observer, source);
  }

  /**
   * Makes these the pairs, and no others. Only the difference is told to anybody.
   *
   * @throws TypeError that names the first thing that is not a user id; nothing changes then
   */
  replace(pairs: Iterable<ObserverPair>): void {
    const wanted = new Map<UserOrAll, Set<UserOrAll>>();
    for (const [observer, source] of pairs) {
      checkUserOrAll('source', source);
      const sources = wanted.get(observer);
      if (sources === undefined) wanted.set(checkUserOrAll('observer', observer), new Set([source]));
      else sources.add(source);
    }
    for (const observer of this.#observed.keys()) if (!wanted.has(observer)) this.#assign(observer, new Set());
    for (const [observer, sources] of wanted) this.#assign(observer, sources);
  }

  *[Symbol.iterator](): Generator<ObserverPair, void, void> {
    for (const [observer, { sources, seesAll }] of this.#observed) {
      if (seesAll) yield [observer, PRESENCE_ALL_USERS];
      for (const source of sources) yield [observer, source];
    }
  }

  #assign(observer: UserOrAll, wanted: ReadonlySet<UserOrAll>): void {
    const observed = this.#observed.get(observer);
    if (observed !== undefined) {
      for (const source of observed.sources) if (!wanted.has(source)) this.delete(observer, source);
      if (!wanted.has(PRESENCE_ALL_USERS)) this.delete(observer, PRESENCE_ALL_USERS);
    }
    for (const source of wanted) this.add(observer, source);
  }

  #forgetAnswer(observer: UserOrAll, observed: Observed): void {
    observed.answer = null;
    // What everybody sees is in everybody's answer.
    if (observer === PRESENCE_ALL_USERS) for (const other of this.#observed.values()) other.answer = null;
  }

  #routesOf(source: UserId): Routes {
    const known = this.#routes.get(source);
    if (known !== undefined) return known;
    const routes: Routes = { updates: Object.freeze([Object.freeze({ userId: source })]), to: new Map() };
    this.#routes.set(source, routes);
    return routes;
  }

  #unroute(observer: UserOrAll, source: UserId): void {
    const to = this.#routes.get(source)?.to;
    if (to === undefined) return;
    if (observer === PRESENCE_ALL_USERS) {
      for (const user of this.#asked) if (!this.has(user, source)) to.delete(user);
      if ((this.#observed.get(PRESENCE_ALL_USERS)?.sources.size ?? 0) === 0) this.#asked.clear();
    } else if (!this.#asked.has(observer) || !this.has(PRESENCE_ALL_USERS, source)) to.delete(observer);
    if (to.size === 0 && !this.has(PRESENCE_ALL_USERS, source)) this.#routes.delete(source);
  }

  #interestedUsers(userId: UserId): InterestedUsers {
    const own = this.#observed.get(userId);
    const everybody = this.#observed.get(PRESENCE_ALL_USERS);
    if (own?.seesAll === true) return PRESENCE_ALL_USERS;
    if (everybody === undefined || !this.#isMine(userId)) return own === undefined ? NOBODY : answerOf(own, NOBODY);
    if (everybody.sources.size > 0 && !this.#asked.has(userId)) {
      this.#asked.add(userId);
      for (const source of everybody.sources) {
        const { to, updates } = this.#routesOf(source);
        if (source !== userId) to.set(userId, updates);
      }
    }
    if (everybody.seesAll) return PRESENCE_ALL_USERS;
    return own === undefined ? answerOf(everybody, NOBODY) : answerOf(own, everybody.sources);
  }

  #usersForStates(stateUpdates: readonly RoutedUpdate[]): UsersForStates {
    // What observers were told before they were asked again would not agree with this answer.
    this.#changes.flush();
    let only: Routes | null = null;
    let merged: Map<UserId, RoutedUpdate[]> | null = null;
    for (const { userId } of stateUpdates) {
      const routes = this.#routes.get(userId);
      if (routes === undefined) continue;
      if (only === null) only = routes;
      else {
        merged ??= append(new Map(), only);
        append(merged, routes);
      }
    }
    let answer: ReadonlyMap<UserId, Iterable<RoutedUpdate>> = merged ?? only?.to ?? NO_ROUTES;
    // Users here get it by their interest in everybody; users of other servers only if they are named.
    const afar = [...this.#seeAll].filter((observer) => !this.#isMine(observer));
    if (afar.length > 0) answer = new Map([...answer, ...afar.map((observer) => [observer, stateUpdates] as const)]);
    return answer;
  }

  #restrictions(source: UserId, observers: readonly Observer[]): Restrictions {
    this.#changes.flush();
    const everybody = this.#observed.get(PRESENCE_ALL_USERS);
    const allowed = new Set<Observer>();
    for (const user of this.#routes.get(source)?.to.keys() ?? []) allowed.add(this.#observerFor(user));
    for (const user of this.#seeAll) allowed.add(this.#observerFor(user));
    const answer = new Map<Observer | typeof EVERYBODY_ELSE, Restriction | null>();
    if (everybody !== undefined && (everybody.seesAll || everybody.sources.has(source))) {
      // All users here, of whom there is no list: this answer is about those who were asked about.
      for (const observer of observers) {
        if (!observer.startsWith('@') && !allowed.has(observer)) answer.set(observer, 'deny');
      }
      return answer;
    }
    for (const observer of allowed) answer.set(observer, null);
    return answer.set(EVERYBODY_ELSE, 'deny');
  }

  /** A user of another server is their server. */
  #observerFor(user: UserId): Observer {
    return this.#isMine(user) ? user : serverNameOf(user);
  }
}

/** What an observer sees, with what everybody does. The same array until one of them changes. */
function answerOf(observed: Observed, more: Iterable<UserId>): readonly UserId[] {
  observed.answer ??= Object.freeze([...new Set([...observed.sources, ...more])]);
  return observed.answer;
}

function append(merged: Map<UserId, RoutedUpdate[]>, { updates, to }: Routes): Map<UserId, RoutedUpdate[]> {
  for (const observer of to.keys()) {
    const list = merged.get(observer);
    if (list === undefined) merged.set(observer, [...updates]);
    else list.push(...updates);
  }
  return merged;
}
