/**
 * Checks what modules pass to `ModuleApi`, as far as the presence service does not: what is wrong is a TypeError that names it.
 */
import { isUserId, type UserId } from '../matrix/identifiers.ts';
import { show } from './describe-value.ts';

/** Returns the users without duplicates, in the order given. */
export function checkUsers(member: string, users: unknown): UserId[] {
  if (typeof users !== 'object' || users === null || !(Symbol.iterator in users)) {
    throw new TypeError(`${member}: ${show(users)} is not an iterable of user ids`);
  }
  const checked = new Set<UserId>();
  for (const userId of users as Iterable<unknown>) checked.add(checkUserId(member, userId));
  return [...checked];
}

export function checkUserId(member: string, userId: unknown): UserId {
  if (isUserId(userId)) return userId;
  throw new TypeError(`${member}: ${show(userId)} is not a user id such as "@alice:example.org"`);
}

/** What `setTimeout` can wait: some 24 days. */
const MAX_DELAY_MS = 2 ** 31 - 1;

export function checkDelay(member: string, msec: unknown, least: number): number {
  if (typeof msec === 'number' && msec >= least && msec <= MAX_DELAY_MS) return msec;
  throw new TypeError(`${member}: ${show(msec)} is not a number of milliseconds from ${least} to ${MAX_DELAY_MS}`);
}

export function checkFunction(member: string, f: unknown): void {
  if (typeof f !== 'function') throw new TypeError(`${member}: ${show(f)} is not a function`);
}
