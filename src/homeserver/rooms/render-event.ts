/**
 * From stored events to the form clients get: unsigned data, the place of `redacts`, stripped state.
 *
 * Pure. Source: Matrix specification, client-server API, "Room event format": `transaction_id` is for the sending device
 * only; servers show `redacts` both at the top level and in the content, whatever the room version.
 */
import type { DeviceId, UserId } from '../../matrix/identifiers.ts';
import type { JsonObject, RedactionEvent, StoredEvent } from '../../ports/room-store.ts';
import type { ClientEvent, StrippedStateEvent, SyncEvent, UnsignedData } from './client-event.ts';

/** Who gets the event. */
export interface Reader {
  readonly userId: UserId;
  readonly deviceId: DeviceId;
  /** ms since the epoch, for `age`. */
  readonly now: number;
}

/** The form of `/sync`: without the room's id. */
export function toSyncEvent(event: StoredEvent, reader: Reader): SyncEvent {
  const { redacts } = event;
  return {
    type: event.type,
    ...(event.stateKey === null ? {} : { state_key: event.stateKey }),
    sender: event.sender,
    content: contentOf(event.content, redacts, event.redactedBecause !== null),
    event_id: event.eventId,
    origin_server_ts: event.originServerTs,
    ...(redacts === null || event.redactedBecause !== null ? {} : { redacts }),
    unsigned: unsignedOf(event, reader),
  };
}

/** The form of everything else. */
export function toClientEvent(event: StoredEvent, reader: Reader): ClientEvent {
  return { ...toSyncEvent(event, reader), room_id: event.roomId };
}

export function toStrippedState(event: StoredEvent): StrippedStateEvent {
  return { type: event.type, state_key: event.stateKey ?? '', sender: event.sender, content: event.content };
}

function unsignedOf(event: StoredEvent, { userId, deviceId, now }: Reader): UnsignedData {
  const { replaces, redactedBecause, transaction } = event;
  const isMine = transaction !== null && event.sender === userId && transaction.deviceId === deviceId;
  return {
    age: Math.max(0, now - event.originServerTs),
    ...(replaces === null
      ? {}
      : { prev_content: replaces.content, prev_sender: replaces.sender, replaces_state: replaces.eventId }),
    ...(redactedBecause === null ? {} : { redacted_because: redactionOf(redactedBecause, now) }),
    ...(isMine ? { transaction_id: transaction.txnId } : {}),
  };
}

function redactionOf(redaction: RedactionEvent, now: number): SyncEvent {
  const { redacts } = redaction;
  return {
    type: 'm.room.redaction',
    sender: redaction.sender,
    content: contentOf(redaction.content, redacts, false),
    event_id: redaction.eventId,
    origin_server_ts: redaction.originServerTs,
    ...(redacts === null ? {} : { redacts }),
    unsigned: { age: Math.max(0, now - redaction.originServerTs) },
  };
}

/** A redaction that was itself redacted shows only what its room version keeps. */
function contentOf(content: JsonObject, redacts: string | null, isStripped: boolean): JsonObject {
  return redacts === null || isStripped || Object.hasOwn(content, 'redacts') ? content : { ...content, redacts };
}
