/**
 * Room event filters: which events a client wants to see of a timeline, of the state, of receipts and typing.
 *
 * Source: Matrix specification, client-server API, "Filtering" (RoomEventFilter). `*` in a type matches any run of
 * characters; a negation wins over the positive list; an empty positive list lets nothing through.
 */
import { MatrixError } from '../../matrix/errors.ts';

export interface EventFilter {
  /** Most events; null leaves it to the caller. */
  readonly limit: number | null;
  readonly types: readonly string[] | null;
  readonly notTypes: readonly string[];
  readonly senders: readonly string[] | null;
  readonly notSenders: readonly string[];
  readonly rooms: readonly string[] | null;
  readonly notRooms: readonly string[];
  /** True: only events with a `url` in their content; false: only events without; null: both. */
  readonly containsUrl: boolean | null;
  /** State and messages carry only the member events of senders that are shown. */
  readonly lazyLoadMembers: boolean;
}

export const ALL_EVENTS: EventFilter = Object.freeze({
  limit: null,
  types: null,
  notTypes: [],
  senders: null,
  notSenders: [],
  rooms: null,
  notRooms: [],
  containsUrl: null,
  lazyLoadMembers: false,
});

/** What a filter looks at. */
export interface FilterableEvent {
  readonly type: string;
  readonly sender: string;
  readonly content: Readonly<Record<string, unknown>>;
}

/**
 * Parses a RoomEventFilter as it stands in a filter or in `?filter=` of `/messages`.
 *
 * @param name - what the filter is called in messages, as `room.timeline`
 * @throws MatrixError 400 M_BAD_JSON naming the member that has the wrong type
 */
export function parseEventFilter(value: unknown, name: string): EventFilter {
  if (value === undefined || value === null) return ALL_EVENTS;
  if (typeof value !== 'object' || Array.isArray(value)) throw badFilter(name, 'an object');
  const raw = value as Readonly<Record<string, unknown>>;
  return {
    limit: count(raw['limit'], `${name}.limit`),
    types: strings(raw['types'], `${name}.types`),
    notTypes: strings(raw['not_types'], `${name}.not_types`) ?? [],
    senders: strings(raw['senders'], `${name}.senders`),
    notSenders: strings(raw['not_senders'], `${name}.not_senders`) ?? [],
    rooms: strings(raw['rooms'], `${name}.rooms`),
    notRooms: strings(raw['not_rooms'], `${name}.not_rooms`) ?? [],
    containsUrl: flag(raw['contains_url'], `${name}.contains_url`),
    lazyLoadMembers: flag(raw['lazy_load_members'], `${name}.lazy_load_members`) ?? false,
  };
}

/** Whether the filter says nothing about single events, so that none has to be looked at. */
export function letsEverythingThrough(filter: EventFilter): boolean {
  return (
    filter.types === null &&
    filter.senders === null &&
    filter.containsUrl === null &&
    filter.notTypes.length === 0 &&
    filter.notSenders.length === 0
  );
}

/** Whether the room passes the `rooms` and `not_rooms` of the filter. */
export function wantsRoom(filter: Pick<EventFilter, 'rooms' | 'notRooms'>, roomId: string): boolean {
  return !filter.notRooms.includes(roomId) && (filter.rooms === null || filter.rooms.includes(roomId));
}

/** Whether the event passes; the room and the limit are not looked at. */
export function wantsEvent(filter: EventFilter, event: FilterableEvent): boolean {
  if (!wantsType(filter, event.type)) return false;
  if (filter.notSenders.includes(event.sender)) return false;
  if (filter.senders !== null && !filter.senders.includes(event.sender)) return false;
  if (filter.containsUrl === null) return true;
  return filter.containsUrl === (typeof event.content['url'] === 'string');
}

/** Whether events of the type can pass at all. */
export function wantsType(filter: Pick<EventFilter, 'types' | 'notTypes'>, type: string): boolean {
  if (filter.notTypes.some((pattern) => matchesPattern(pattern, type))) return false;
  return filter.types === null || filter.types.some((pattern) => matchesPattern(pattern, type));
}

/** `*` matches any run of characters, also none. Linear in the two lengths for one `*`, and never exponential. */
export function matchesPattern(pattern: string, text: string): boolean {
  if (!pattern.includes('*')) return pattern === text;
  const [first = '', ...rest] = pattern.split('*');
  const last = rest.pop() ?? '';
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
  const end = text.length - last.length;
  let from = first.length;
  for (const part of rest) {
    const found = text.indexOf(part, from);
    if (found < 0 || found + part.length > end) return false;
    from = found + part.length;
  }
  return true;
}

function strings(value: unknown, name: string): readonly string[] | null {
  if (value === undefined || value === null) return null;
  if (!Array.isArray(value) || value.some((item) => typeof item !== 'string')) {
    throw badFilter(name, 'a list of strings');
  }
  return value as string[];
}

function count(value: unknown, name: string): number | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw badFilter(name, 'a whole number, zero or more');
  }
  return value;
}

function flag(value: unknown, name: string): boolean | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== 'boolean') throw badFilter(name, 'true or false');
  return value;
}

function badFilter(name: string, expected: string): MatrixError {
  return new MatrixError(400, 'M_BAD_JSON', `Filter: ${name} must be ${expected}`);
}
