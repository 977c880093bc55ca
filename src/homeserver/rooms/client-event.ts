/**
 * Events as clients see them: the shapes of the specification, snake_case, ready to be serialised.
 *
 * Source: Matrix specification, client-server API, "Room event format", "Stripped state".
 */
import type { EventId, RoomId, UserId } from '../../matrix/identifiers.ts';

export type EventContent = Readonly<Record<string, unknown>>;

/** An event without its room: the form of `/sync`. */
export interface SyncEvent {
  readonly type: string;
  /** Present on state events only. */
  readonly state_key?: string;
  readonly sender: UserId;
  readonly content: EventContent;
  readonly event_id: EventId;
  readonly origin_server_ts: number;
  /** What an `m.room.redaction` of a room version before 11 redacts; newer ones have it in the content, too. */
  readonly redacts?: EventId;
  readonly unsigned: UnsignedData;
}

export interface ClientEvent extends SyncEvent {
  readonly room_id: RoomId;
}

export interface UnsignedData {
  /** Milliseconds since `origin_server_ts`. */
  readonly age: number;
  readonly prev_content?: EventContent;
  readonly prev_sender?: UserId;
  readonly replaces_state?: EventId;
  readonly redacted_because?: SyncEvent;
  /** Only for the device that sent the event. */
  readonly transaction_id?: string;
}

/** What somebody outside the room is shown of its state. */
export interface StrippedStateEvent {
  readonly type: string;
  readonly state_key: string;
  readonly sender: UserId;
  readonly content: EventContent;
}

/** `m.receipt` and `m.typing`. */
export interface EphemeralEvent {
  readonly type: 'm.receipt' | 'm.typing';
  readonly content: Readonly<Record<string, unknown>>;
}
