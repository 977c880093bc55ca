/**
 * Durable rooms: events, the current state, memberships, aliases, receipts, the public list.
 *
 * Every write takes its positions from the one homeserver stream, resolves when it is durable against the death of this
 * process, and happens whole or not at all. Rooms are histories in a line: the state at a position is the newest state
 * event of each key up to there. The caller serialises the writes of one room. Failures throw `PortError`.
 */
import type { DeviceId, EventId, RoomAlias, RoomId, UserId } from '../matrix/identifiers.ts';
import type { JsonObject } from '../matrix/json-object.ts';
import type { RoomDirectory } from './room-directory.ts';

export type { JsonObject } from '../matrix/json-object.ts';

export type Membership = 'invite' | 'join' | 'knock' | 'leave' | 'ban';
/** Event type and state key. */
export type StateKey = readonly [type: string, stateKey: string];

export interface StoredEvent {
  /** Place in the stream; orders the room. */
  readonly position: number;
  readonly eventId: EventId;
  readonly roomId: RoomId;
  readonly type: string;
  /** Null for message events. */
  readonly stateKey: string | null;
  readonly sender: UserId;
  /** Stripped once the event is redacted. */
  readonly content: JsonObject;
  readonly originServerTs: number;
  /** What this event redacts. */
  readonly redacts: EventId | null;
  /** The event of the same key that this state event took the place of. */
  readonly replaces: { readonly eventId: EventId; readonly sender: UserId; readonly content: JsonObject } | null;
  /** The redaction that stripped this event. */
  readonly redactedBecause: RedactionEvent | null;
  /** Which request of which device of the sender made it; null, too, once that is forgotten. */
  readonly transaction: Transaction | null;
}

export interface RedactionEvent {
  readonly eventId: EventId;
  readonly sender: UserId;
  readonly content: JsonObject;
  readonly originServerTs: number;
  readonly redacts: EventId | null;
}

/** How long a transaction is remembered, from the time of its event; how much longer is up to the store. */
export const TRANSACTION_LIFETIME_MS = 24 * 60 * 60 * 1000;

export interface Transaction {
  readonly deviceId: DeviceId;
  readonly txnId: string;
}

export interface NewEvent {
  readonly eventId: EventId;
  readonly type: string;
  readonly stateKey: string | null;
  readonly sender: UserId;
  readonly content: JsonObject;
  readonly originServerTs: number;
  readonly transaction: Transaction | null;
  /** Set on `m.room.redaction`: the event of the same room, and what is left of its content. */
  readonly redaction: { readonly eventId: EventId; readonly content: JsonObject } | null;
}

export interface AppendBatch {
  readonly roomId: RoomId;
  /** Given exactly when the room is new. */
  readonly create: { readonly version: string; readonly isPublic: boolean } | null;
  /** In order. Member events carry a valid `membership`; they move the membership, and take back `forget` unless it stays left or banned. */
  readonly events: readonly NewEvent[];
  /** New aliases of the room. */
  readonly aliases: readonly { readonly alias: RoomAlias; readonly creator: UserId }[];
}

export type AppendResult =
  /** The events' positions: `last - events.length + 1` to `last`, in order. */
  | { readonly kind: 'appended'; readonly last: number }
  /** Nothing was written: the alias exists. */
  | { readonly kind: 'alias-taken'; readonly alias: RoomAlias };

export interface StoredRoom {
  readonly roomId: RoomId;
  readonly version: string;
  readonly isPublic: boolean;
  readonly joinedCount: number;
  readonly invitedCount: number;
  /** Position of the newest event or receipt. */
  readonly lastPosition: number;
  /** The newest event. */
  readonly lastEventId: EventId;
}

export interface StoredMembership {
  readonly roomId: RoomId;
  readonly userId: UserId;
  readonly membership: Membership;
  /** Position of the member event. */
  readonly position: number;
  readonly forgotten: boolean;
}

/** Which part of a state: everything, certain keys, one type, or everything with only these users' member events. */
export type StateSelection =
  | { readonly kind: 'all' }
  | { readonly kind: 'keys'; readonly keys: readonly StateKey[] }
  | { readonly kind: 'type'; readonly type: string }
  | { readonly kind: 'membersOf'; readonly users: readonly UserId[] };

export interface EventRange {
  /** Exclusive. */
  readonly after: number;
  /** Inclusive. */
  readonly upTo: number;
  /** `forward`: oldest first. */
  readonly direction: 'forward' | 'backward';
  readonly limit: number;
}

export interface NewReceipt {
  readonly roomId: RoomId;
  readonly userId: UserId;
  readonly receiptType: 'm.read' | 'm.read.private';
  /** Null: not of a thread. */
  readonly threadId: string | null;
  readonly eventId: EventId;
  readonly ts: number;
}

export interface StoredReceipt extends NewReceipt {
  readonly position: number;
}

/** The RoomDirectory's `loadJoined` is the store's; telling of changes is up to who writes. */
export interface RoomStore extends Pick<RoomDirectory, 'loadJoined'> {
  /** Newest position of the homeserver stream; everything up to it is visible. */
  currentPosition(): Promise<number>;
  /**
   * Writes the batch. Throws when an event id or a transaction (room, sender, device, type, id, redacted event) exists. Each
   * call forgets some transactions that are older, by more than a day, than what it writes: more of them than it may add.
   */
  appendEvents(batch: AppendBatch): Promise<AppendResult>;

  findRoom(roomId: RoomId): Promise<StoredRoom | null>;
  findEvent(roomId: RoomId, eventId: EventId): Promise<StoredEvent | null>;
  /** The event an earlier request with the same transaction made, while that is remembered. `redacts`: null unless it was a redaction. */
  findTransaction(key: TransactionKey): Promise<EventId | null>;
  /** Events of the room, in the direction's order. */
  listEvents(roomId: RoomId, range: EventRange): Promise<readonly StoredEvent[]>;
  /** The current state (`at` null) or the state after the event at `at`, in the order of the events. */
  readState(roomId: RoomId, selection: StateSelection, at: number | null): Promise<readonly StoredEvent[]>;
  /** State events in (after, upTo] that are the newest of their key up to `upTo`, in order. */
  stateChanges(roomId: RoomId, after: number, upTo: number): Promise<readonly StoredEvent[]>;
  /** Every event one key has had, oldest first. */
  stateHistory(
    roomId: RoomId,
    key: StateKey,
  ): Promise<readonly { readonly position: number; readonly content: JsonObject }[]>;

  findMembership(roomId: RoomId, userId: UserId): Promise<StoredMembership | null>;
  /**
   * Every room the user was ever a member of or invited to, with the room's last position; of the present moment.
   *
   * @param changedAfter - only rooms with a later last position; null: all
   */
  membershipsOf(
    userId: UserId,
    changedAfter: number | null,
  ): Promise<readonly (StoredMembership & { readonly lastPosition: number })[]>;
  /** Present members with one of these memberships, by position; at most `limit`. */
  listMembers(roomId: RoomId, memberships: readonly Membership[], limit: number): Promise<readonly StoredMembership[]>;
  /** Leaves the room out of the user's lists. Only has an effect on a membership that is `leave` or `ban`. */
  forget(roomId: RoomId, userId: UserId): Promise<void>;

  findAlias(alias: RoomAlias): Promise<{ readonly roomId: RoomId; readonly creator: UserId } | null>;
  /** False when the alias exists. */
  addAlias(alias: RoomAlias, roomId: RoomId, creator: UserId): Promise<boolean>;
  /** False when there was none. */
  removeAlias(alias: RoomAlias): Promise<boolean>;
  /** By name. */
  listAliases(roomId: RoomId): Promise<readonly RoomAlias[]>;

  setPublic(roomId: RoomId, isPublic: boolean): Promise<void>;
  /** Rooms of the public list with most members first, `offset` skipped. */
  listPublicRooms(offset: number, limit: number): Promise<readonly StoredRoom[]>;
  countPublicRooms(): Promise<number>;

  /**
   * Sets the user's receipt of that type and thread. Returns its position, or null when it stands at that event or a later one
   * already, or the room has no such event: then nothing is written.
   */
  writeReceipt(receipt: NewReceipt): Promise<number | null>;
  /** Receipts in (after, upTo], by position. */
  receiptsSince(roomId: RoomId, after: number, upTo: number): Promise<readonly StoredReceipt[]>;
}

export interface TransactionKey extends Transaction {
  readonly roomId: RoomId;
  readonly sender: UserId;
  readonly type: string;
  readonly redacts: EventId | null;
}
