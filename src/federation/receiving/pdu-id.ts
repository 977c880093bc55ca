/**
 * Names the events of a transaction, so that each can be answered. Rooms are local to this server, so none of them is taken.
 *
 * In room versions 1 and 2 an event says its id. Since then the id is the hash of the redacted event, and which members a redaction
 * keeps depends on the version of a room that this server does not have. The rules of version 11 are used: right for every event of versions 11 and
 * later, and of versions 4 to 10 but for a few (those with members that only these keep: room creations with `room_version`, events with
 * `origin` and the like). A wrong name harms nobody: the sender only reads it to log. Source: room versions 3, 4 and 11; S-S API "Reference hash".
 */
import { createHash } from 'node:crypto';
import { canonicalJson, CanonicalJsonError } from '../../matrix/canonical-json.ts';
import type { EventId } from '../../matrix/identifiers.ts';
import { isJsonObject, type JsonObject } from '../../matrix/json-object.ts';

const MAX_ID_BYTES = 255;

/** What redacting keeps of an event, signatures left out: they are no part of its hash. */
const KEPT = [
  'auth_events',
  'depth',
  'event_id',
  'hashes',
  'origin_server_ts',
  'prev_events',
  'room_id',
  'sender',
  'state_key',
  'type',
];

/** What it keeps of the content. `null`: all of it. */
const KEPT_CONTENT: ReadonlyMap<unknown, readonly string[] | null> = new Map([
  ['m.room.create', null],
  ['m.room.member', ['membership', 'join_authorised_via_users_server']],
  ['m.room.join_rules', ['join_rule', 'allow']],
  [
    'm.room.power_levels',
    ['ban', 'events', 'events_default', 'invite', 'kick', 'redact', 'state_default', 'users', 'users_default'],
  ],
  ['m.room.history_visibility', ['history_visibility']],
  ['m.room.redaction', ['redacts']],
]);

/** Null for what is no event at all. */
export function pduId(pdu: unknown): EventId | null {
  if (!isJsonObject(pdu)) return null;
  const { event_id: eventId } = pdu;
  if (isEventId(eventId)) return eventId;
  try {
    return `$${createHash('sha256')
      .update(canonicalJson(redact(pdu)))
      .digest('base64url')}`;
  } catch (error) {
    if (error instanceof CanonicalJsonError) return null;
    throw error;
  }
}

function redact(pdu: JsonObject): JsonObject {
  const { content, type } = pdu;
  return { ...pick(pdu, KEPT), content: isJsonObject(content) ? redactContent(type, content) : {} };
}

function redactContent(type: unknown, content: JsonObject): JsonObject {
  const kept = KEPT_CONTENT.get(type);
  if (kept === null) return content;
  const left = pick(content, kept ?? []);
  const { third_party_invite: invite } = content;
  if (type === 'm.room.member' && isJsonObject(invite) && Object.hasOwn(invite, 'signed')) {
    return { ...left, third_party_invite: { signed: invite['signed'] } };
  }
  return left;
}

function pick(value: JsonObject, keys: readonly string[]): JsonObject {
  return Object.fromEntries(keys.filter((key) => Object.hasOwn(value, key)).map((key) => [key, value[key]]));
}

function isEventId(value: unknown): value is EventId {
  return typeof value === 'string' && value.startsWith('$') && Buffer.byteLength(value) <= MAX_ID_BYTES;
}
