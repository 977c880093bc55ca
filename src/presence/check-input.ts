/**
 * Checks what modules hand in, before anything of it takes effect: the first thing that is wrong is named in a `TypeError`.
 */
import type { ManagedPresence } from '../core/engine-api.ts';
import { isUserId, type UserId } from '../matrix/identifiers.ts';
import { isPresenceState, PresenceState } from '../matrix/presence-state.ts';

export interface InputLimits {
  /** Bytes of UTF-8. */
  readonly maxStatusMsgBytes: number;
  readonly busyEnabled: boolean;
}

/** The ids without duplicates, in order. @throws TypeError naming the first that is none */
export function checkUserIds(users: Iterable<UserId>): UserId[] {
  if (
    typeof users === 'string' ||
    typeof (users as Partial<Iterable<UserId>> | null)?.[Symbol.iterator] !== 'function'
  ) {
    throw new TypeError(`the users must be an array, a Set or another iterable of user ids, not ${shown(users)}`);
  }
  const checked = new Set<UserId>();
  for (const userId of users) {
    if (!isUserId(userId)) throw new TypeError(`${shown(userId)} is not a user id: it should look like @name:server`);
    checked.add(userId);
  }
  return [...checked];
}

/** A copy with every field filled in. @throws TypeError naming the first entry that is wrong, and why */
export function checkPresenceEntries(users: unknown, limits: InputLimits): Map<UserId, ManagedPresence> {
  if (!(users instanceof Map)) {
    throw new TypeError(`the users must be a Map from user id to { state, statusMsg }, not ${shown(users)}`);
  }
  const checked = new Map<UserId, ManagedPresence>();
  for (const [userId, entry] of users as Map<unknown, unknown>) {
    if (!isUserId(userId)) throw new TypeError(`${shown(userId)} is not a user id: it should look like @name:server`);
    checked.set(userId, checkEntry(userId, entry, limits));
  }
  return checked;
}

function checkEntry(userId: UserId, entry: unknown, { maxStatusMsgBytes, busyEnabled }: InputLimits): ManagedPresence {
  if (typeof entry !== 'object' || entry === null) {
    throw new TypeError(`the entry of ${userId} must be { state, statusMsg }, not ${shown(entry)}`);
  }
  const { state, statusMsg = null, ttlMs } = entry as Record<string, unknown>;
  if (!isPresenceState(state) || (state === PresenceState.BUSY && !busyEnabled)) {
    throw new TypeError(`the state of ${userId} must be 'online', 'unavailable' or 'offline', not ${shown(state)}`);
  }
  if (statusMsg !== null && typeof statusMsg !== 'string') {
    throw new TypeError(`the statusMsg of ${userId} must be a string or null, not ${shown(statusMsg)}`);
  }
  if (statusMsg !== null && new TextEncoder().encode(statusMsg).length > maxStatusMsgBytes) {
    throw new TypeError(`the statusMsg of ${userId} is longer than ${maxStatusMsgBytes} bytes`);
  }
  if (ttlMs === undefined) return { state, statusMsg };
  if (typeof ttlMs !== 'number' || !(ttlMs > 0)) {
    throw new TypeError(`the ttlMs of ${userId} must be a number of milliseconds above 0, not ${shown(ttlMs)}`);
  }
  return { state, statusMsg, ttlMs };
}

function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 100 ? `${value.slice(0, 100)}…` : value);
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object';
  return typeof value === 'function' ? 'a function' : String(value);
}
