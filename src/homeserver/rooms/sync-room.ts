/**
 * One room's part of a sync: its timeline, the state before it, receipts, typing and summary.
 *
 * State and timeline together never lose a change: what happened since the last sync is in the timeline, or was before its
 * first event, or was kept out of it by the timeline's filter; the last two are in the state.
 * Source: Matrix specification, client-server API, "Syncing", "Lazy-loading room members".
 */
import type { RoomId, UserId } from '../../matrix/identifiers.ts';
import type { Clock } from '../../ports/clock.ts';
import type { RoomStore, StateSelection, StoredEvent } from '../../ports/room-store.ts';
import { acceptsEvent, type EventFilter, type StateFilter } from '../sync/filter.ts';
import type { EphemeralEvent, SyncEvent } from './client-event.ts';
import { toReceiptEvent } from './receipts.ts';
import { type Reader, toSyncEvent } from './render-event.ts';
import { readableHistory } from './room-access.ts';
import type { JoinedRoomSync, LeftRoomSync, RoomSummary, RoomSyncRequest } from './room-sync.ts';
import { printTimelineToken, readPage } from './timeline.ts';
import type { Typing } from './typing.ts';

/** Without a limit in the filter. */
const DEFAULT_TIMELINE_LIMIT = 10;
const MAX_HEROES = 5;

export interface SyncRoomServices {
  readonly store: RoomStore;
  readonly clock: Clock;
  readonly typing: Typing;
}

export interface RoomQuestion {
  readonly request: RoomSyncRequest;
  readonly roomId: RoomId;
  /** Joined at `since`. */
  readonly wasJoined: boolean;
  /** The client has nothing of the present stay: it was not joined at `since`, or left in between. False in an initial sync. */
  readonly isNewlyJoined: boolean;
  /** Joined at some time up to `since`: the client may have an older timeline. */
  readonly wasThereBefore: boolean;
}

export interface JoinedRoomAnswer {
  readonly sync: JoinedRoomSync;
  /** Users whose join, invite or knock is among the changes. */
  readonly newMembers: readonly UserId[];
  /** The changes of memberships. */
  readonly memberChanges: readonly StoredEvent[];
}

/** The room of somebody who is joined at `upTo`. */
export async function readJoinedRoom(services: SyncRoomServices, question: RoomQuestion): Promise<JoinedRoomAnswer> {
  const { request, roomId, isNewlyJoined } = question;
  const isWhole = request.since === null || isNewlyJoined || request.fullState;
  const history = await readHistory(services.store, question, request.upTo);
  const memberChanges = history.changes.filter((event) => event.type === 'm.room.member');
  const summary = isWhole || memberChanges.length > 0 ? await summarise(services.store, roomId, request.userId) : null;
  const state = await readState(services.store, question, history, isWhole, summary?.['m.heroes'] ?? []);
  const reader = readerOf(services, request);
  return {
    sync: {
      roomId,
      summary,
      state: render(state, reader),
      timeline: renderTimeline(history, reader),
      ephemeral: await readEphemeral(services, question),
    },
    newMembers: memberChanges
      .filter(
        ({ content: { membership } }) => membership === 'join' || membership === 'invite' || membership === 'knock',
      )
      .map((event) => event.stateKey as UserId),
    memberChanges,
  };
}

/** The room of somebody who left, was removed or banned at `leftAt`: nothing later is in it. */
export async function readLeftRoom(
  services: SyncRoomServices,
  question: RoomQuestion,
  leftAt: number,
): Promise<LeftRoomSync> {
  const { request, roomId } = question;
  const history = await readHistory(services.store, question, leftAt);
  const { wasJoined, isNewlyJoined } = question;
  // Whoever was not in the room since then gets their own member events and nothing of the state.
  const wasThere = (request.since === null || wasJoined || isNewlyJoined) && history.stayedUpTo !== null;
  const seen = { ...history, start: Math.min(history.start, history.stayedUpTo ?? 0) };
  const state = wasThere ? await readState(services.store, question, seen, !wasJoined, []) : [];
  const reader = readerOf(services, request);
  return { roomId, state: render(state, reader), timeline: renderTimeline(history, reader) };
}

/** Whether an incremental sync has anything to say about the room. */
export function hasSomething(room: JoinedRoomSync): boolean {
  return room.timeline.events.length > 0 || room.state.length > 0 || room.ephemeral.length > 0 || room.summary !== null;
}

interface History {
  /** Oldest first. */
  readonly timeline: readonly StoredEvent[];
  readonly limited: boolean;
  /** The state is the one after this position. */
  readonly start: number;
  readonly upTo: number;
  /** State events before the timeline that are new since the last sync: newest of each key. */
  readonly gap: readonly StoredEvent[];
  /** State events that the filter kept out of the timeline. */
  readonly hidden: readonly StoredEvent[];
  /** All state changes since the last sync: of the gap, the timeline, and hidden. */
  readonly changes: readonly StoredEvent[];
  /** Where the last stay of somebody who is not in the room ended. */
  readonly stayedUpTo: number | null;
}

async function readHistory(store: RoomStore, question: RoomQuestion, upTo: number): Promise<History> {
  const { request, roomId, isNewlyJoined, wasThereBefore } = question;
  const { userId, since } = request;
  const filter = request.filter.timeline;
  const after = since === null || isNewlyJoined ? 0 : since;
  const { ranges, stayedUpTo } = await readableHistory(store, roomId, userId, upTo);
  const isShown = !filter.isEmpty && filter.acceptsRoom?.(roomId) !== false;
  const page = isShown
    ? await readPage(store, roomId, ranges, {
        direction: 'backward',
        after,
        upTo,
        limit: filter.limit ?? DEFAULT_TIMELINE_LIMIT,
        filter,
      })
    : { events: [], next: null };
  const timeline = page.events.toReversed();
  const start = (timeline[0]?.position ?? upTo + 1) - 1;
  const gapEnd = Math.min(start, stayedUpTo ?? start);
  const gap = since !== null && gapEnd > since ? await store.stateChanges(roomId, since, gapEnd) : [];
  const end = Math.min(upTo, stayedUpTo ?? upTo);
  const hidden = isUnfiltered(filter) || start >= end ? [] : await hiddenState(store, roomId, start, end, timeline);
  return {
    timeline,
    limited: page.next !== null || (isNewlyJoined && wasThereBefore) || (filter.limit === 0 && start > after),
    start,
    upTo,
    gap,
    hidden,
    changes: [...gap, ...hidden, ...timeline.filter((event) => event.stateKey !== null)],
    stayedUpTo,
  };
}

async function hiddenState(
  store: RoomStore,
  roomId: RoomId,
  start: number,
  upTo: number,
  timeline: readonly StoredEvent[],
): Promise<readonly StoredEvent[]> {
  const shown = new Set(timeline.map((event) => event.position));
  return (await store.stateChanges(roomId, start, upTo)).filter((event) => !shown.has(event.position));
}

async function readState(
  store: RoomStore,
  question: RoomQuestion,
  history: History,
  isWhole: boolean,
  heroes: readonly UserId[],
): Promise<readonly StoredEvent[]> {
  const { request, roomId } = question;
  const filter = request.filter.state;
  if (filter.isEmpty || filter.acceptsRoom?.(roomId) === false) return [];
  const senders = new Set(history.timeline.map((event) => event.sender));
  const wanted = (event: StoredEvent): boolean => acceptsEvent(filter, event);
  if (isWhole) {
    const selection: StateSelection = isLazy(request)
      ? { kind: 'membersOf', users: [...new Set([request.userId, ...senders, ...heroes])] }
      : { kind: 'all' };
    const state = await store.readState(roomId, selection, history.start);
    return newestOfEachKey([...state, ...history.hidden]).filter(wanted);
  }
  const changes = newestOfEachKey([...history.gap, ...history.hidden]);
  if (!isLazy(request)) return changes.filter(wanted);
  for (const event of changes) if (event.type === 'm.room.member') senders.delete(event.stateKey as UserId);
  const keys = [...senders].map((sender) => ['m.room.member', sender] as const);
  const members = keys.length === 0 ? [] : await store.readState(roomId, { kind: 'keys', keys }, history.start);
  return [...changes, ...members].filter(wanted);
}

/** The member who loads members lazily may say so for the state or for the timeline. */
function isLazy({ filter }: RoomSyncRequest): boolean {
  return filter.state.lazyLoadMembers || filter.timeline.lazyLoadMembers;
}

/** Later ones win; the order stays that of the events. */
function newestOfEachKey(events: readonly StoredEvent[]): readonly StoredEvent[] {
  const byKey = new Map<string, StoredEvent>();
  for (const event of events) byKey.set(`${event.type}\0${event.stateKey}`, event);
  return byKey.size === events.length ? events : [...byKey.values()].toSorted((a, b) => a.position - b.position);
}

async function readEphemeral(
  { store, typing }: SyncRoomServices,
  { request, roomId, isNewlyJoined }: RoomQuestion,
): Promise<readonly EphemeralEvent[]> {
  const { userId, since, upTo, typingSince, filter } = request;
  const isWhole = since === null || isNewlyJoined;
  const events: EphemeralEvent[] = [];
  if (wantsEphemeral(filter.ephemeral, roomId, 'm.receipt')) {
    const receipts = toReceiptEvent(await store.receiptsSince(roomId, isWhole ? 0 : since, upTo), userId);
    if (receipts !== null) events.push(receipts);
  }
  if (wantsEphemeral(filter.ephemeral, roomId, 'm.typing')) {
    const users = typing.changedSince(roomId, isWhole || typingSince === null ? 0 : typingSince);
    // Somebody new to the room need not be told that nobody types.
    if (users !== null && (!isWhole || users.length > 0)) {
      events.push({ type: 'm.typing', content: { user_ids: users } });
    }
  }
  return events;
}

function wantsEphemeral(filter: EventFilter, roomId: RoomId, type: string): boolean {
  return !filter.isEmpty && filter.acceptsRoom?.(roomId) !== false && filter.acceptsType?.(type) !== false;
}

async function summarise(store: RoomStore, roomId: RoomId, userId: UserId): Promise<RoomSummary> {
  const room = await store.findRoom(roomId);
  const counts = {
    'm.joined_member_count': room?.joinedCount ?? 0,
    'm.invited_member_count': room?.invitedCount ?? 0,
  };
  const named = await store.readState(
    roomId,
    {
      kind: 'keys',
      keys: [
        ['m.room.name', ''],
        ['m.room.canonical_alias', ''],
      ],
    },
    null,
  );
  if (named.some(({ content: { name, alias } }) => isText(name) || isText(alias))) return counts;
  const others = async (memberships: readonly ('join' | 'invite' | 'leave' | 'ban')[]): Promise<UserId[]> => {
    const rows = await store.listMembers(roomId, memberships, MAX_HEROES + 1);
    return rows.map((row) => row.userId).filter((each) => each !== userId);
  };
  const present = await others(['join', 'invite']);
  const heroes = present.length > 0 ? present : await others(['leave', 'ban']);
  return { ...counts, 'm.heroes': heroes.slice(0, MAX_HEROES) };
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}

function isUnfiltered(filter: StateFilter): boolean {
  return (
    !filter.isEmpty &&
    filter.acceptsSender === null &&
    filter.acceptsType === null &&
    filter.acceptsRoom === null &&
    filter.containsUrl === null
  );
}

function renderTimeline(history: History, reader: Reader): JoinedRoomSync['timeline'] {
  return {
    events: render(history.timeline, reader),
    limited: history.limited,
    prevBatch: printTimelineToken(history.start),
  };
}

function render(events: readonly StoredEvent[], reader: Reader): readonly SyncEvent[] {
  return events.map((event) => toSyncEvent(event, reader));
}

function readerOf({ clock }: SyncRoomServices, { userId, deviceId }: RoomSyncRequest): Reader {
  return { userId, deviceId, now: clock.now() };
}
