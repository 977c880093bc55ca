/**
 * Reading a room's events: pages of its history in both directions, and single events.
 *
 * A token `t<position>` stands between two events: backwards reads from it on down, forwards reads what follows it. Tokens of
 * `/sync` are accepted, too. Source: Matrix specification, client-server API, "GET /rooms/{roomId}/messages".
 */
import { setImmediate } from 'node:timers/promises';
import { MatrixError } from '../../matrix/errors.ts';
import type { EventId, RoomId, UserId } from '../../matrix/identifiers.ts';
import type { RoomStore, StoredEvent } from '../../ports/room-store.ts';
import type { Clock } from '../../ports/clock.ts';
import { acceptsEvent, type StateFilter } from '../sync/filter.ts';
import { parseStreamToken } from '../sync/stream-token.ts';
import type { ClientEvent } from './client-event.ts';
import { isInRanges, type VisibleRange } from './history-visibility.ts';
import { type Reader, toClientEvent } from './render-event.ts';
import { notAllowed, readableHistory } from './room-access.ts';

const MAX_PAGE = 1_000;
/** Events looked at for one page when the filter lets few through; the next page goes on from there. */
const MAX_SCANNED = 10_000;
const CHUNK = 500;

const TOKEN = /^t([0-9]{1,15})$/;

export interface MessagesRequest {
  readonly dir: 'b' | 'f';
  readonly from: string | null;
  readonly to: string | null;
  readonly limit: number;
  readonly filter: StateFilter;
}

export interface MessagesResponse {
  readonly chunk: readonly ClientEvent[];
  readonly start: string;
  /** Absent when there is nothing further in that direction. */
  readonly end?: string;
  /** Member events of the senders, when members are loaded lazily. */
  readonly state?: readonly ClientEvent[];
}

export interface PageRequest {
  readonly direction: 'forward' | 'backward';
  /** Exclusive. */
  readonly after: number;
  readonly upTo: number;
  readonly limit: number;
  readonly filter: StateFilter;
}

export interface Page {
  /** In the direction's order. */
  readonly events: readonly StoredEvent[];
  /** Where the next page starts, as a position between events; null when there is nothing further. */
  readonly next: number | null;
}

export function printTimelineToken(position: number): string {
  return `t${position}`;
}

/** The place a `from`, `to` or `at` stands for. Throws 400 `M_INVALID_PARAM` that names the parameter. */
export function parseTimelineToken(text: string, parameter: string): number {
  const match = TOKEN.exec(text);
  return match === null ? parseStreamToken(text, parameter).position : Number(match[1]);
}

/** Reads one page of what the ranges allow and the filter accepts. */
export async function readPage(
  store: Pick<RoomStore, 'listEvents'>,
  roomId: RoomId,
  ranges: readonly VisibleRange[],
  page: PageRequest,
): Promise<Page> {
  if (page.filter.isEmpty) return { events: [], next: null };
  const isForward = page.direction === 'forward';
  const inOrder = isForward ? ranges : ranges.toReversed();
  const events: StoredEvent[] = [];
  let scanned = 0;
  for (const range of inOrder) {
    let after = Math.max(range.after, page.after);
    let upTo = Math.min(range.upTo, page.upTo);
    while (after < upTo) {
      // One more than wanted: whether there is something further is part of the answer. A filter that lets little through
      // is not made to read in small bites.
      const limit = Math.min(CHUNK, Math.max(page.limit - events.length + 1, scanned === 0 ? 0 : CHUNK));
      const chunk = await store.listEvents(roomId, { after, upTo, direction: page.direction, limit });
      for (const event of chunk) {
        if (events.length >= page.limit || scanned >= MAX_SCANNED) {
          return { events, next: isForward ? event.position - 1 : event.position };
        }
        scanned += 1;
        if (acceptsEvent(page.filter, event)) events.push(event);
      }
      const last = chunk.at(-1);
      if (last === undefined || chunk.length < limit) break;
      // Others have their turn before the next bite.
      await setImmediate();
      if (isForward) after = last.position;
      else upTo = last.position - 1;
    }
  }
  return { events, next: null };
}

export class Timeline {
  readonly #store: RoomStore;
  readonly #clock: Clock;

  constructor(store: RoomStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** One page. 403 M_FORBIDDEN unless the user may read something of the room. */
  async messages(reader: Omit<Reader, 'now'>, roomId: RoomId, request: MessagesRequest): Promise<MessagesResponse> {
    const newest = await this.#store.currentPosition();
    const ranges = await this.#readableRanges(roomId, reader.userId, newest);
    const isForward = request.dir === 'f';
    const from =
      request.from === null ? (isForward ? 0 : newest) : Math.min(parseTimelineToken(request.from, 'from'), newest);
    const to = request.to === null ? null : parseTimelineToken(request.to, 'to');
    const start = printTimelineToken(from);
    if (request.limit === 0) return { chunk: [], start, end: start };
    const page = await readPage(this.#store, roomId, ranges, {
      direction: isForward ? 'forward' : 'backward',
      after: isForward ? from : (to ?? 0),
      upTo: isForward ? (to ?? newest) : from,
      limit: Math.min(request.limit, request.filter.limit ?? MAX_PAGE, MAX_PAGE),
      filter: request.filter,
    });
    const full: Reader = { ...reader, now: this.#clock.now() };
    return {
      chunk: page.events.map((event) => toClientEvent(event, full)),
      start,
      ...(page.next === null ? {} : { end: printTimelineToken(page.next) }),
      ...(request.filter.lazyLoadMembers ? { state: await this.#senders(roomId, page.events, full) } : {}),
    };
  }

  /** One event. 404 M_NOT_FOUND when there is none, or the user may not see it. */
  async event(reader: Omit<Reader, 'now'>, roomId: RoomId, eventId: EventId): Promise<ClientEvent> {
    const event = await this.#store.findEvent(roomId, eventId);
    if (event !== null) {
      const { ranges } = await readableHistory(this.#store, roomId, reader.userId, event.position);
      const row = await this.#store.findMembership(roomId, reader.userId);
      if (row?.forgotten !== true && isInRanges(ranges, event.position)) {
        return toClientEvent(event, { ...reader, now: this.#clock.now() });
      }
    }
    throw new MatrixError(404, 'M_NOT_FOUND', 'There is no such event here, or you may not see it');
  }

  async #readableRanges(roomId: RoomId, userId: UserId, upTo: number): Promise<readonly VisibleRange[]> {
    const row = await this.#store.findMembership(roomId, userId);
    const { ranges, isOpen } = await readableHistory(this.#store, roomId, userId, upTo);
    if (!isOpen || row?.forgotten === true) throw notAllowed(roomId);
    return ranges;
  }

  async #senders(roomId: RoomId, events: readonly StoredEvent[], reader: Reader): Promise<readonly ClientEvent[]> {
    if (events.length === 0) return [];
    const keys = [...new Set(events.map((event) => event.sender))].map((sender) => ['m.room.member', sender] as const);
    const newest = events.reduce((most, event) => Math.max(most, event.position), 0);
    const members = await this.#store.readState(roomId, { kind: 'keys', keys }, newest);
    return members.map((event) => toClientEvent(event, reader));
  }
}
