/**
 * Power levels: who has how much, what needs how much, and who may change them to what.
 *
 * Pure. Source: Matrix specification, "m.room.power_levels", and the authorization rules of room version 10 (levels are
 * whole numbers, a text is not one). Without the event, the creator has 100, everybody else 0, and state needs 0.
 */
import { MatrixError } from '../../matrix/errors.ts';
import { isUserId, type UserId } from '../../matrix/identifiers.ts';
import type { JsonObject } from '../../ports/room-store.ts';

export type Action = 'invite' | 'kick' | 'ban' | 'redact';

const CREATOR_LEVEL = 100;
const ACTION_DEFAULTS: Readonly<Record<Action, number>> = { invite: 0, kick: 50, ban: 50, redact: 50 };
const SCALARS = ['users_default', 'events_default', 'state_default', 'ban', 'redact', 'kick', 'invite'] as const;
const MAPS = ['events', 'notifications', 'users'] as const;

/** The power levels of one room as they stand. `content` null: the room has no such event. */
export class PowerLevels {
  readonly content: JsonObject | null;
  readonly #creator: UserId;

  constructor(content: JsonObject | null, creator: UserId) {
    this.content = content;
    this.#creator = creator;
  }

  ofUser(userId: UserId): number {
    if (this.content === null) return userId === this.#creator ? CREATOR_LEVEL : 0;
    return levelIn(this.content['users'], userId) ?? levelOf(this.content['users_default']) ?? 0;
  }

  forAction(action: Action): number {
    return levelOf(this.content?.[action]) ?? ACTION_DEFAULTS[action];
  }

  /** What sending an event of the type needs. */
  forEvent(type: string, isState: boolean): number {
    if (this.content === null) return 0;
    const own = levelIn(this.content['events'], type);
    if (own !== undefined) return own;
    return isState ? (levelOf(this.content['state_default']) ?? 50) : (levelOf(this.content['events_default']) ?? 0);
  }
}

/**
 * Checks that `next` has the right shape.
 *
 * @throws MatrixError 400 M_BAD_JSON that names the member
 */
export function checkPowerLevelsShape(next: JsonObject): void {
  for (const key of SCALARS) {
    if (next[key] !== undefined && levelOf(next[key]) === undefined) throw badLevels(key, 'must be a whole number');
  }
  for (const key of MAPS) {
    const map = next[key];
    if (map === undefined) continue;
    if (typeof map !== 'object' || map === null || Array.isArray(map)) throw badLevels(key, 'must be an object');
    for (const [name, level] of Object.entries(map)) {
      if (levelOf(level) === undefined) throw badLevels(`${key}.${name}`, 'must be a whole number');
      if (key === 'users' && !isUserId(name)) throw badLevels(`${key}.${name}`, 'is not a user id');
    }
  }
}

/**
 * Checks that `sender` may change the levels to `next`: nobody gives or takes more than they have, and nobody takes from
 * their equals.
 *
 * @throws MatrixError 403 M_FORBIDDEN that names the first change that is not allowed
 */
export function checkPowerLevelsChange(current: PowerLevels, next: JsonObject, sender: UserId): void {
  if (current.content === null) return;
  const own = current.ofUser(sender);
  for (const key of SCALARS) checkEntry(key, current.content[key], next[key], own, own);
  for (const map of MAPS) {
    const before = entriesOf(current.content[map]);
    const after = entriesOf(next[map]);
    for (const name of new Set([...before.keys(), ...after.keys()])) {
      // Somebody else's level may only be taken by those above them; one's own may be lowered.
      const mayTake = map === 'users' && name !== sender ? own - 1 : own;
      checkEntry(`${map}.${name}`, before.get(name), after.get(name), mayTake, own);
    }
  }
}

function checkEntry(name: string, before: unknown, after: unknown, mayTake: number, mayGive: number): void {
  const from = levelOf(before);
  const to = levelOf(after);
  if (from === to) return;
  if (from !== undefined && from > mayTake) {
    throw forbidden(`You have not enough power to change '${name}', which is ${from}`);
  }
  if (to !== undefined && to > mayGive)
    throw forbidden(`You cannot set '${name}' to ${to}, which is more than your own power`);
}

function entriesOf(map: unknown): ReadonlyMap<string, unknown> {
  return new Map(typeof map === 'object' && map !== null ? Object.entries(map) : []);
}

function levelIn(map: unknown, key: string): number | undefined {
  if (typeof map !== 'object' || map === null || !Object.hasOwn(map, key)) return undefined;
  return levelOf((map as JsonObject)[key]);
}

function levelOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : undefined;
}

function badLevels(name: string, problem: string): MatrixError {
  return new MatrixError(400, 'M_BAD_JSON', `m.room.power_levels: '${name}' ${problem}`);
}

function forbidden(message: string): MatrixError {
  return new MatrixError(403, 'M_FORBIDDEN', message);
}
