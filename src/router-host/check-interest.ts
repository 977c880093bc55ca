/**
 * Reads what `getInterestedUsers` returned, trusting nothing: any iterable of user ids, or `PRESENCE_ALL_USERS`.
 *
 * A wrong top-level value is refused whole; one bad entry costs only itself. Reading stops after `maxEntries`. An answer that
 * says the same as the last one is returned as the last one, so that others see at a glance that nothing has changed.
 */
import { isProxy, isStringObject } from 'node:util/types';
import type { UserId } from '../matrix/identifiers.ts';
import { PRESENCE_ALL_USERS } from '../module/callbacks.ts';
import { type Drop, Invalid } from './callback-runner.ts';
import { kindOf, show } from './describe-value.ts';
import type { KnownIds } from './known-ids.ts';
import { type Interest, NOBODY } from './router-api.ts';

const SHOULD = 'it should be an iterable of user ids, such as a Set or an array, or PRESENCE_ALL_USERS';

/** Frozen arrays that were read without a drop: they cannot say anything else the next time. */
const readFrozen = new WeakMap<object, readonly UserId[]>();

export function checkInterest(
  value: unknown,
  last: Interest | undefined,
  ids: KnownIds,
  maxEntries: number,
  drop: Drop,
): Interest | Invalid {
  // Before iterating: a string is iterable, too.
  if (value === PRESENCE_ALL_USERS) return PRESENCE_ALL_USERS;
  if (typeof value === 'string' || isStringObject(value))
    return new Invalid(`returned the string ${show(value)}; ${SHOULD}`);
  if (typeof value !== 'object' || value === null || !(Symbol.iterator in value)) {
    return new Invalid(`returned ${kindOf(value)}; ${SHOULD}`);
  }
  const read = readFrozen.get(value);
  if (read !== undefined && read.length <= maxEntries) return read;
  const previous = last === undefined || last === PRESENCE_ALL_USERS ? NOBODY : last;
  // As long as the answer repeats the last one, nothing is checked or copied.
  let same = 0;
  let unlike: Set<UserId> | undefined;
  let visited = 0;
  try {
    for (const item of value as Iterable<unknown>) {
      if (visited >= maxEntries) {
        drop('too_many');
        break;
      }
      visited += 1;
      if (unlike === undefined && same < previous.length && item === previous[same]) {
        same += 1;
        continue;
      }
      if (!ids.isUserId(item)) drop('user_id', item);
      else (unlike ??= new Set(previous.slice(0, same))).add(item);
    }
  } catch (thrown) {
    drop('threw', thrown);
  }
  const interest = resultOf(previous, same, unlike);
  if (!isProxy(value) && Array.isArray(value) && Object.isFrozen(value) && interest.length === value.length) {
    readFrozen.set(value, interest);
  }
  return interest;
}

function resultOf(
  previous: readonly UserId[],
  same: number,
  unlike: ReadonlySet<UserId> | undefined,
): readonly UserId[] {
  if (unlike === undefined) return same === previous.length ? previous : freeze(previous.slice(0, same));
  if (unlike.size === previous.length && previous.every((userId) => unlike.has(userId))) return previous;
  return freeze([...unlike]);
}

function freeze(users: readonly UserId[]): readonly UserId[] {
  return users.length === 0 ? NOBODY : Object.freeze(users);
}
