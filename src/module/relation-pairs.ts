/**
 * Pairs of observer and source, as a relation is written down: in a configuration, a file, the rows of a database.
 */
import { isUserId, type UserId } from '../matrix/identifiers.ts';
import { PRESENCE_ALL_USERS, type PresenceAllUsers } from './callbacks.ts';

/** One user, or `PRESENCE_ALL_USERS` in their place. @since 0.1 */
export type UserOrAll = UserId | PresenceAllUsers;

/**
 * "The observer sees the source."
 *
 * `PRESENCE_ALL_USERS` as the source: everybody this server knows. As the observer: everybody who has an account here.
 *
 * @example
 * ```ts
 * ['@alice:example.org', '@bob:example.org']       // Alice sees Bob
 * ['@wall:example.org', PRESENCE_ALL_USERS]        // the wall display sees everybody
 * [PRESENCE_ALL_USERS, '@helpdesk:example.org']    // everybody here sees the help desk
 * ```
 * @since 0.1
 */
export type ObserverPair = readonly [observer: UserOrAll, source: UserOrAll];

/**
 * The pairs of groups whose members see each other: a roster, teams, classes. A user may be in several groups.
 *
 * A group of n members has n · (n − 1) pairs.
 *
 * @example
 * ```ts
 * new ObserverRelation(pairsOfGroups([['@ada:example.org', '@bea:example.org'], config.nightShift])).register(api);
 * ```
 * @since 0.1
 */
export function* pairsOfGroups(groups: Iterable<Iterable<UserId>>): Generator<ObserverPair, void, void> {
  for (const group of groups) {
    const members = new Set(group);
    for (const observer of members) for (const source of members) if (observer !== source) yield [observer, source];
  }
}

/** @throws TypeError that names what is neither a user id nor `PRESENCE_ALL_USERS` */
export function checkUserOrAll(role: 'observer' | 'source', value: unknown): UserOrAll {
  if (value === PRESENCE_ALL_USERS || isUserId(value)) return value;
  const shown = typeof value === 'string' ? JSON.stringify(value) : String(value);
  throw new TypeError(`the ${role} ${shown} is not a user id such as "@alice:example.org"`);
}

/** `PRESENCE_ALL_USERS` stands for itself alone. @throws TypeError as `checkUserOrAll` */
export function checkUsersOrAll(role: 'observer' | 'source', values: Iterable<UserOrAll> | UserOrAll): Set<UserOrAll> {
  // A string is iterable, too, but nobody means its characters.
  if (typeof values === 'string') return new Set([checkUserOrAll(role, values)]);
  const checked = new Set<UserOrAll>();
  for (const value of values) checked.add(checkUserOrAll(role, value));
  return checked;
}
