/**
 * Filters of /sync: a client's JSON becomes checked, ready-made questions ("is this event wanted?").
 *
 * Source: Matrix specification, client-server API, Filtering. Better than the reference server: `*` works in types and
 * senders, and `presence.limit` is honoured. Errors are 400: `M_NOT_JSON`, or `M_BAD_JSON` naming the wrong place.
 * `event_fields` is checked and otherwise ignored (whole events are always allowed); so is `event_format`.
 */
import { z } from 'zod';
import { MatrixError } from '../../matrix/errors.ts';
import { isRoomId } from '../../matrix/identifiers.ts';
import { compilePatterns, type Matcher } from './wildcard.ts';

/** Which events of one section are wanted. */
export interface EventFilter {
  /** Null when every sender is wanted. */
  readonly acceptsSender: Matcher | null;
  /** Null when every type is wanted. */
  readonly acceptsType: Matcher | null;
  /** Null when every room is wanted. */
  readonly acceptsRoom: Matcher | null;
  /** True: only events whose content has a `url`; false: only those without. */
  readonly containsUrl: boolean | null;
  /**
   * Most events of one response; null when the client named none. It cuts timelines and presence, where the rest can be had:
   * what it would cut of account data and ephemeral events would never come, so that there only 0 counts.
   */
  readonly limit: number | null;
  /** True when nothing can pass, so that nothing need be looked up. */
  readonly isEmpty: boolean;
}

export interface StateFilter extends EventFilter {
  readonly lazyLoadMembers: boolean;
  readonly includeRedundantMembers: boolean;
}

export interface SyncFilter {
  readonly presence: PresenceFilter;
  readonly accountData: EventFilter;
  readonly room: {
    /** Null when every room is wanted; else asked first, for every section. */
    readonly acceptsRoom: Matcher | null;
    readonly includeLeave: boolean;
    readonly timeline: StateFilter;
    readonly state: StateFilter;
    readonly ephemeral: EventFilter;
    readonly accountData: EventFilter;
  };
}

/** `filter.presence` for events that are all of type `m.presence`. */
export interface PresenceFilter {
  /** True when the client wants no presence at all. */
  readonly isEmpty: boolean;
  /** Null when every sender is wanted. */
  readonly acceptsSender: Matcher | null;
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
    presence: compilePresence(presence),
    accountData: compileEvents(accountData),
    room: {
      acceptsRoom: wanted(room.rooms, room.not_rooms),
      includeLeave: room.include_leave ?? false,
      timeline: compileState(room.timeline ?? {}),
      state: compileState(room.state ?? {}),
      ephemeral: compileEvents(room.ephemeral ?? {}),
      accountData: compileEvents(room.account_data ?? {}),
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

/** Whether one event passes. `content` is only looked at for `contains_url`. */
export function acceptsEvent(
  filter: EventFilter,
  event: { readonly type: string; readonly sender: string; readonly content: Readonly<Record<string, unknown>> },
): boolean {
  return (
    !filter.isEmpty &&
    (filter.acceptsType === null || filter.acceptsType(event.type)) &&
    (filter.acceptsSender === null || filter.acceptsSender(event.sender)) &&
    (filter.containsUrl === null || filter.containsUrl === (typeof event.content['url'] === 'string'))
  );
}

function compilePresence(raw: z.infer<typeof eventFilterSchema>): PresenceFilter {
  const { isEmpty, acceptsSender, acceptsType, limit } = compileEvents(raw);
  return { isEmpty: isEmpty || (acceptsType !== null && !acceptsType('m.presence')), acceptsSender, limit };
}

function compileEvents(raw: RawEventFilter): EventFilter {
  const excludesAll = (list: readonly string[] | undefined): boolean => list?.includes('*') === true;
  return {
    acceptsSender: wanted(raw.senders, raw.not_senders),
    acceptsType: wanted(raw.types, raw.not_types),
    acceptsRoom: wanted(raw.rooms, raw.not_rooms),
    containsUrl: raw.contains_url ?? null,
    limit: raw.limit === undefined ? null : Math.min(raw.limit, MAX_LIMIT),
    isEmpty:
      raw.limit === 0 ||
      [raw.types, raw.senders, raw.rooms].some((list) => list?.length === 0) ||
      excludesAll(raw.not_types) ||
      excludesAll(raw.not_senders),
  };
}

function compileState(raw: RawEventFilter): StateFilter {
  return {
    ...compileEvents(raw),
    lazyLoadMembers: raw.lazy_load_members ?? false,
    includeRedundantMembers: raw.include_redundant_members ?? false,
  };
}

/** `not_…` wins over its opposite; an absent list excludes nothing. */
function wanted(yes: readonly string[] | undefined, no: readonly string[] | undefined): Matcher | null {
  const unwanted = no === undefined || no.length === 0 ? null : compilePatterns(no);
  const accepted = yes === undefined || yes.includes('*') ? null : compilePatterns(yes);
  if (accepted === null) return unwanted === null ? null : (text) => !unwanted(text);
  return unwanted === null ? accepted : (text) => accepted(text) && !unwanted(text);
}
