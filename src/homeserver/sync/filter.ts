/**
 * Filters of /sync: a client's JSON becomes checked, ready-made questions ("is this event wanted?").
 *
 * Source: Matrix specification, client-server API, Filtering. Better than the reference server: `*` works in types and
 * senders, and `presence.limit` is honoured. Errors are 400: `M_NOT_JSON`, or `M_BAD_JSON` naming the wrong place.
 * `event_fields` is checked and otherwise ignored (whole events are always allowed); so is `event_format`.
 */
import { z } from 'zod';
import { MatrixError } from '../../matrix/errors.ts';
import { isRoomId, type UserId } from '../../matrix/identifiers.ts';
import { type EventFilter, matchesPattern, wantsType } from '../rooms/event-filter.ts';
import type { RoomSyncFilter } from '../rooms/room-sync.ts';

export interface SyncFilter {
  readonly presence: PresenceFilter;
  readonly accountData: EventFilter;
  readonly room: RoomSyncFilter & { readonly accountData: EventFilter };
}

/** `filter.presence` for events that are all of type `m.presence`. */
export interface PresenceFilter {
  /** True when the client wants no presence at all. */
  readonly isEmpty: boolean;
  /** Null when every sender is wanted. */
  readonly acceptsSender: ((userId: UserId) => boolean) | null;
  readonly limit: number | null;
}

const MAX_PATTERNS = 10_000;
/** Timelines longer than this are cut, whatever the client asks for. */
const MAX_LIMIT = 1000;

const strings = z.array(z.string()).max(MAX_PATTERNS);
const senders = z
  .array(
    z.string().refine((text) => text.includes('*') || /^@[^:]*:./.test(text), 'must be a user id, or a pattern with *'),
  )
  .max(MAX_PATTERNS);
const rooms = z.array(z.string().refine(isRoomId, 'must be a room id')).max(MAX_PATTERNS);
const eventFilterShape = {
  limit: z.int().min(0).optional(),
  types: strings.optional(),
  not_types: strings.optional(),
  senders: senders.optional(),
  not_senders: senders.optional(),
};
const roomEventFilterShape = {
  ...eventFilterShape,
  rooms: rooms.optional(),
  not_rooms: rooms.optional(),
  contains_url: z.boolean().optional(),
  lazy_load_members: z.boolean().optional(),
  include_redundant_members: z.boolean().optional(),
  unread_thread_notifications: z.boolean().optional(),
};
const eventFilterSchema = z.object(eventFilterShape);
const roomEventFilterSchema = z.object(roomEventFilterShape);
const filterSchema = z.object({
  event_fields: strings.optional(),
  event_format: z.enum(['client', 'federation']).optional(),
  presence: eventFilterSchema.optional(),
  account_data: eventFilterSchema.optional(),
  room: z
    .object({
      rooms: rooms.optional(),
      not_rooms: rooms.optional(),
      include_leave: z.boolean().optional(),
      timeline: roomEventFilterSchema.optional(),
      state: roomEventFilterSchema.optional(),
      ephemeral: roomEventFilterSchema.optional(),
      account_data: roomEventFilterSchema.optional(),
    })
    .optional(),
});

type RawEventFilter = z.infer<typeof roomEventFilterSchema>;

/** What is in force without a filter. */
export const DEFAULT_FILTER: SyncFilter = parseFilter({});

/** Checks a filter definition and makes it ready. Throws 400 `M_BAD_JSON` that names the wrong place. */
export function parseFilter(definition: unknown): SyncFilter {
  const result = filterSchema.safeParse(definition);
  if (!result.success) {
    const issue = result.error.issues[0];
    const where = issue === undefined || issue.path.length === 0 ? 'The filter' : `filter.${issue.path.join('.')}`;
    throw new MatrixError(400, 'M_BAD_JSON', `${where}: ${issue?.message ?? 'has the wrong shape'}`);
  }
  const { presence = {}, account_data: accountData = {}, room = {} } = result.data;
  return {
    presence: compilePresence(toEventFilter(presence)),
    accountData: toEventFilter(accountData),
    room: {
      rooms: room.rooms ?? null,
      notRooms: room.not_rooms ?? [],
      includeLeave: room.include_leave ?? false,
      timeline: toEventFilter(room.timeline ?? {}),
      state: toEventFilter(room.state ?? {}),
      ephemeral: toEventFilter(room.ephemeral ?? {}),
      accountData: toEventFilter(room.account_data ?? {}),
    },
  };
}

/** Same from text, as the query parameter `filter` carries it. */
export function parseFilterText(text: string): SyncFilter {
  let definition: unknown;
  try {
    definition = JSON.parse(text);
  } catch (cause) {
    throw new MatrixError(400, 'M_NOT_JSON', "Query parameter 'filter' is neither a filter id nor JSON", {}, { cause });
  }
  return parseFilter(definition);
}

/** The members of a checked filter in the shape that rooms and account data use. */
function toEventFilter(raw: RawEventFilter): EventFilter {
  return {
    limit: raw.limit === undefined ? null : Math.min(raw.limit, MAX_LIMIT),
    types: raw.types ?? null,
    notTypes: raw.not_types ?? [],
    senders: raw.senders ?? null,
    notSenders: raw.not_senders ?? [],
    rooms: raw.rooms ?? null,
    notRooms: raw.not_rooms ?? [],
    containsUrl: raw.contains_url ?? null,
    lazyLoadMembers: raw.lazy_load_members ?? false,
  };
}

/** All presence events have one type, so that types decide once; patterns in senders are compiled. */
function compilePresence(filter: EventFilter): PresenceFilter {
  const { limit, senders, notSenders } = filter;
  return {
    isEmpty: limit === 0 || senders?.length === 0 || notSenders.includes('*') || !wantsType(filter, 'm.presence'),
    acceptsSender: compileSenders(senders, notSenders),
    limit,
  };
}

function compileSenders(
  senders: readonly string[] | null,
  notSenders: readonly string[],
): PresenceFilter['acceptsSender'] {
  const wanted = senders === null || senders.includes('*') ? null : compilePatterns(senders);
  if (notSenders.length === 0) return wanted;
  const unwanted = compilePatterns(notSenders);
  return (userId) => !unwanted(userId) && (wanted === null || wanted(userId));
}

/** Exact ids are looked up, however many; only patterns are tried one by one. */
function compilePatterns(patterns: readonly string[]): (userId: UserId) => boolean {
  const exact: ReadonlySet<string> = new Set(patterns.filter((pattern) => !pattern.includes('*')));
  const globs = patterns.filter((pattern) => pattern.includes('*'));
  return (userId) => exact.has(userId) || globs.some((pattern) => matchesPattern(pattern, userId));
}
