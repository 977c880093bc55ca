/**
 * The lines of a traffic record: JSON objects, one a line. What is here is all that is ever written.
 *
 * A record is one segment after the other: `start`, who is where, `ready`, and then what happens, in order. Users have numbers, which
 * `ids` lines give them, anew in each segment. docs/reference/traffic-record.md describes the same for people.
 */
import type { RoomId, ServerName, UserId } from '../../matrix/identifiers.ts';
import { isPresenceState, type PresenceState } from '../../matrix/presence-state.ts';

export const TRAFFIC_VERSION = 1;

/** Of users by number, of servers by name. Empty lists are left out. */
export interface ToldLists<Observer> {
  readonly rooms?: readonly Observer[];
  readonly modules?: readonly Observer[];
  /** With what is kept from them, as bits. */
  readonly reduced?: readonly (readonly [Observer, number])[];
  readonly withheld?: readonly Observer[];
}

export type TrafficLine =
  | { readonly type: 'start'; readonly version: number; readonly server_name: ServerName; readonly ts: number }
  /** Numbers from `first` on. */
  | { readonly type: 'ids'; readonly first: number; readonly ids: readonly UserId[] }
  | { readonly type: 'room'; readonly room: RoomId; readonly members: readonly number[] }
  | { readonly type: 'observers'; readonly users: readonly number[] }
  | { readonly type: 'ready' }
  | { readonly type: 'join' | 'leave'; readonly ts: number; readonly room: RoomId; readonly user: number }
  | { readonly type: 'connect' | 'disconnect'; readonly ts: number; readonly user: number }
  | UpdateLine;

export interface UpdateLine {
  readonly type: 'update';
  readonly ts: number;
  readonly user: number;
  readonly state: PresenceState;
  readonly users?: ToldLists<number>;
  readonly servers?: ToldLists<ServerName>;
}

/** Returns null for what is no line of a record: a torn one, or one of a later version. */
export function parseTrafficLine(text: string): TrafficLine | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const line = value as Readonly<Record<string, unknown>>;
  return isLine(line) ? (line as unknown as TrafficLine) : null;
}

function isLine(line: Readonly<Record<string, unknown>>): boolean {
  const { type, ts, user, room } = line;
  switch (type) {
    case 'start':
      return line['version'] === TRAFFIC_VERSION && typeof line['server_name'] === 'string' && isNumber(ts);
    case 'ids':
      return isNumber(line['first']) && isListOf(line['ids'], isText);
    case 'room':
      return isText(room) && isListOf(line['members'], isNumber);
    case 'observers':
      return isListOf(line['users'], isNumber);
    case 'ready':
      return true;
    case 'join':
    case 'leave':
      return isNumber(ts) && isNumber(user) && isText(room);
    case 'connect':
    case 'disconnect':
      return isNumber(ts) && isNumber(user);
    case 'update':
      return (
        isNumber(ts) &&
        isNumber(user) &&
        isPresenceState(line['state']) &&
        isTold(line['users'], isNumber) &&
        isTold(line['servers'], isText)
      );
    default:
      return false;
  }
}

function isTold(value: unknown, isObserver: (value: unknown) => boolean): boolean {
  if (value === undefined) return true;
  if (typeof value !== 'object' || value === null) return false;
  const { rooms, modules, reduced, withheld } = value as Readonly<Record<string, unknown>>;
  const isPair = (pair: unknown): boolean => Array.isArray(pair) && isObserver(pair[0]) && isNumber(pair[1]);
  return (
    [rooms, modules, withheld].every((list) => list === undefined || isListOf(list, isObserver)) &&
    (reduced === undefined || isListOf(reduced, isPair))
  );
}

function isListOf(value: unknown, isItem: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(isItem);
}

function isNumber(value: unknown): boolean {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isText(value: unknown): boolean {
  return typeof value === 'string';
}
