/**
 * Makes an event out of what a client wants to send: checks its sizes, stamps it, and names it by its own hash.
 *
 * Pure but for the hash. The id covers the event before it in the room, so that equal events at different places have
 * different ids. Source: Matrix specification, "Size limits" and room version 4, "Event IDs".
 */
import { createHash } from 'node:crypto';
import { canonicalJson, CanonicalJsonError } from '../../matrix/canonical-json.ts';
import { MatrixError } from '../../matrix/errors.ts';
import type { EventId, RoomId, UserId } from '../../matrix/identifiers.ts';
import type { JsonObject, NewEvent, Transaction } from '../../ports/room-store.ts';

/** The whole event in canonical JSON, with everything a server adds when it sends one elsewhere. */
const MAX_EVENT_BYTES = 65_536;
const MAX_FIELD_BYTES = 255;
/** What `event_id`, hashes and one signature add, rounded up. */
const ENVELOPE_BYTES = 512;

/** An event somebody wants to send, before the room has accepted it. */
export interface EventDraft {
  readonly type: string;
  readonly stateKey: string | null;
  readonly sender: UserId;
  readonly content: JsonObject;
  readonly transaction?: Transaction;
  readonly redaction?: NonNullable<NewEvent['redaction']>;
}

/**
 * @param previous - the newest event of the room, null for its first
 * @throws MatrixError 413 M_TOO_LARGE, 400 M_INVALID_PARAM for an empty type or a NUL character, or 400 M_BAD_JSON for what
 *   JSON may say and Matrix events may not (fractions)
 */
export function buildEvent(roomId: RoomId, draft: EventDraft, previous: EventId | null, now: number): NewEvent {
  if (draft.type === '') throw new MatrixError(400, 'M_INVALID_PARAM', 'The event type is empty');
  checkField('type', draft.type);
  if (draft.stateKey !== null) checkField('state_key', draft.stateKey);
  if (draft.transaction !== undefined) checkField('transaction id', draft.transaction.txnId);
  const text = canonicalEvent({
    room_id: roomId,
    type: draft.type,
    state_key: draft.stateKey ?? undefined,
    sender: draft.sender,
    content: draft.content,
    origin_server_ts: now,
    prev_events: previous === null ? [] : [previous],
    redacts: draft.redaction?.eventId,
  });
  if (Buffer.byteLength(text) + ENVELOPE_BYTES > MAX_EVENT_BYTES) {
    throw new MatrixError(413, 'M_TOO_LARGE', `The event is too large: at most ${MAX_EVENT_BYTES} bytes`);
  }
  return {
    eventId: `$${createHash('sha256').update(text).digest('base64url')}`,
    type: draft.type,
    stateKey: draft.stateKey,
    sender: draft.sender,
    content: draft.content,
    originServerTs: now,
    transaction: draft.transaction ?? null,
    redaction: draft.redaction ?? null,
  };
}

function canonicalEvent(event: JsonObject): string {
  try {
    return canonicalJson(event);
  } catch (error) {
    if (!(error instanceof CanonicalJsonError)) throw error;
    throw new MatrixError(400, 'M_BAD_JSON', `The event cannot be sent: ${error.message}`, {}, { cause: error });
  }
}

function checkField(name: string, value: string): void {
  // Not every database can keep it, and it separates parts of keys.
  if (value.includes('\0')) throw new MatrixError(400, 'M_INVALID_PARAM', `'${name}' contains a NUL character`);
  if (Buffer.byteLength(value) > MAX_FIELD_BYTES) {
    throw new MatrixError(413, 'M_TOO_LARGE', `'${name}' is too long: at most ${MAX_FIELD_BYTES} bytes`);
  }
}
