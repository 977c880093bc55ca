/**
 * The body of /sync, put together from strings: presence events arrive serialised and are shared by all who get them.
 *
 * The sections that clients look for without asking whether they are there are always present. `presence` is absent
 * when it is empty. Source: Matrix specification, client-server API, "Syncing".
 */
import type { RoomId } from '../../matrix/identifiers.ts';
import type {
  InvitedRoomSync,
  JoinedRoomSync,
  LeftRoomSync,
  RoomSyncChanges,
  TimelineSync,
} from '../rooms/room-sync.ts';
import type { AccountDataEvent } from './account-data-sync.ts';

/** Changes of rooms and account data, as far as the filter wants them. */
export interface RoomPart {
  readonly changes: RoomSyncChanges;
  readonly globalAccountData: readonly AccountDataEvent[];
  /** Rooms the user is joined to or has left; a room that is in no other list is a joined one. */
  readonly roomAccountData: ReadonlyMap<RoomId, readonly AccountDataEvent[]>;
}

const NO_ROOMS = '"rooms":{"join":{},"invite":{},"knock":{},"leave":{}}';
const NO_ACCOUNT_DATA = '"account_data":{"events":[]}';
/** Ours to send, and always empty: there is no end-to-end encryption and no to-device messaging here. */
const CONSTANT_SECTIONS =
  '"to_device":{"events":[]},"device_lists":{"changed":[],"left":[]},' +
  '"device_one_time_keys_count":{},"device_unused_fallback_key_types":[]';
const NOTHING_NEW = `,${NO_ROOMS},${NO_ACCOUNT_DATA},${CONSTANT_SECTIONS}}`;
const NO_UNREAD = { highlight_count: 0, notification_count: 0 };

/**
 * @param presence - serialised presence events, joined by commas; an empty string for none
 * @param rooms - null when there is nothing of rooms and account data
 */
export function renderSyncResponse(nextBatch: string, presence: string, rooms: RoomPart | null): string {
  const head = `{"next_batch":"${nextBatch}"`;
  const presenceSection = presence === '' ? '' : `,"presence":{"events":[${presence}]}`;
  if (rooms === null) return head + presenceSection + NOTHING_NEW;
  return `${head}${presenceSection},"rooms":${JSON.stringify(roomsSection(rooms))},"account_data":${JSON.stringify({
    events: rooms.globalAccountData,
  })},${CONSTANT_SECTIONS}}`;
}

/** Whether there is nothing to tell a client that waits. */
export function isEmptyRoomPart({ changes, globalAccountData, roomAccountData }: RoomPart): boolean {
  return (
    globalAccountData.length === 0 &&
    roomAccountData.size === 0 &&
    changes.joined.length === 0 &&
    changes.invited.length === 0 &&
    changes.knocked.length === 0 &&
    changes.left.length === 0
  );
}

function roomsSection({ changes, roomAccountData }: RoomPart): unknown {
  const accountData = new Map(roomAccountData);
  const takeAccountData = (roomId: RoomId): { events: readonly AccountDataEvent[] } => {
    const events = accountData.get(roomId) ?? [];
    accountData.delete(roomId);
    return { events };
  };
  const join = changes.joined.map((room) => [room.roomId, joinedRoom(room, takeAccountData(room.roomId))]);
  const leave = changes.left.map((room) => [room.roomId, leftRoom(room, takeAccountData(room.roomId))]);
  // Nothing but account data changed in what is left.
  for (const [roomId, events] of accountData) join.push([roomId, { account_data: { events } }]);
  return {
    join: Object.fromEntries(join),
    invite: Object.fromEntries(changes.invited.map((room) => [room.roomId, { invite_state: strippedState(room) }])),
    knock: Object.fromEntries(changes.knocked.map((room) => [room.roomId, { knock_state: strippedState(room) }])),
    leave: Object.fromEntries(leave),
  };
}

function joinedRoom(room: JoinedRoomSync, accountData: unknown): unknown {
  return {
    summary: room.summary ?? {},
    state: { events: room.state },
    timeline: timeline(room.timeline),
    ephemeral: { events: room.ephemeral },
    account_data: accountData,
    unread_notifications: NO_UNREAD,
  };
}

function leftRoom(room: LeftRoomSync, accountData: unknown): unknown {
  return { state: { events: room.state }, timeline: timeline(room.timeline), account_data: accountData };
}

function strippedState(room: InvitedRoomSync): unknown {
  return { events: room.state };
}

function timeline({ events, limited, prevBatch }: TimelineSync): unknown {
  return { events, limited, prev_batch: prevBatch };
}
