/**
 * Checks what modules pass to `ModuleApi`. The first wrong thing is a TypeError that names it, and nothing is applied.
 */
import { isMap } from 'node:util/types';
import type { ManagedPresence } from '../core/engine-api.ts';
import { isUserId, type UserId } from '../matrix/identifiers.ts';
import { isPresenceState, PRESENCE_STATES, PresenceState } from '../matrix/presence-state.ts';
import { show } from './describe-value.ts';
import type { ModuleServices } from './module-services.ts';

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

type Rules = Pick<ModuleServices, 'busyEnabled' | 'maxStatusMsgBytes'>;
const ENTRY_KEYS = ['state', 'statusMsg', 'ttlMs'];

/** Returns a copy of the entries, complete. */
export function checkPresenceForUsers(users: unknown, rules: Rules): Map<UserId, ManagedPresence> {
  const member = 'setPresenceForUsers';
  if (!isMap(users)) throw new TypeError(`${member}: ${show(users)} is not a Map from user id to { state, statusMsg }`);
  const checked = new Map<UserId, ManagedPresence>();
  for (const [userId, entry] of users as ReadonlyMap<unknown, unknown>) {
    checked.set(checkUserId(member, userId), checkEntry(`${member}: the entry of ${show(userId)}`, entry, rules));
  }
  return checked;
}

function checkEntry(what: string, entry: unknown, rules: Rules): ManagedPresence {
  if (typeof entry !== 'object' || entry === null) {
    throw new TypeError(`${what} is ${show(entry)} rather than { state, statusMsg }`);
  }
  const unknown = Object.keys(entry).find((key) => !ENTRY_KEYS.includes(key));
  if (unknown !== undefined) throw new TypeError(`${what} has ${show(unknown)}; it may have ${ENTRY_KEYS.join(', ')}`);
  const { state, statusMsg = null, ttlMs } = entry as Readonly<Record<string, unknown>>;

  const allowed = PRESENCE_STATES.filter((known) => rules.busyEnabled || known !== PresenceState.BUSY);
  if (!isPresenceState(state) || !allowed.includes(state)) {
    throw new TypeError(`${what} has the state ${show(state)}; it may be ${allowed.join(', ')}`);
  }
  if (statusMsg !== null && typeof statusMsg !== 'string') {
    throw new TypeError(`${what} has a statusMsg that is ${show(statusMsg)} rather than a string or null`);
  }
  if (statusMsg !== null && Buffer.byteLength(statusMsg) > rules.maxStatusMsgBytes) {
    throw new TypeError(`${what} has a statusMsg of more than ${rules.maxStatusMsgBytes} bytes`);
  }
  if (ttlMs === undefined) return { state, statusMsg };
  if (typeof ttlMs !== 'number' || !Number.isSafeInteger(ttlMs) || ttlMs <= 0) {
    throw new TypeError(
      `${what} has a ttlMs that is ${show(ttlMs)} rather than a whole number of milliseconds above 0`,
    );
  }
  return { state, statusMsg, ttlMs };
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
