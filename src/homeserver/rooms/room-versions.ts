/**
 * Room versions: which ones there are, and what differs between them: the create event, redactions.
 *
 * Pure. Source: Matrix specification, room versions 10 and 11. Version 11 has no `creator` in `m.room.create`, keeps more
 * when redacting, and puts `redacts` into the content of the redaction.
 */
import { MatrixError } from '../../matrix/errors.ts';
import type { EventId, UserId } from '../../matrix/identifiers.ts';
import type { JsonObject } from '../../ports/room-store.ts';

export type RoomVersion = '10' | '11';

export const DEFAULT_ROOM_VERSION: RoomVersion = '10';
export const ROOM_VERSIONS: readonly RoomVersion[] = ['10', '11'];

/** Throws 400 `M_UNSUPPORTED_ROOM_VERSION` for a version this server does not make. */
export function parseRoomVersion(version: string): RoomVersion {
  const known = ROOM_VERSIONS.find((each) => each === version);
  if (known !== undefined) return known;
  throw new MatrixError(
    400,
    'M_UNSUPPORTED_ROOM_VERSION',
    `Room version '${version}' is not supported: use ${ROOM_VERSIONS.map((each) => `'${each}'`).join(' or ')}`,
  );
}

/** `creation_content` with what the server decides. */
export function createContent(version: RoomVersion, creator: UserId, given: JsonObject): JsonObject {
  const { creator: _creator, room_version: _version, ...rest } = given;
  return version === '10' ? { ...rest, room_version: version, creator } : { ...rest, room_version: version };
}

/** The content of a redaction, which in version 11 says what it redacts. */
export function redactionContent(version: RoomVersion, redacts: EventId, reason: string | undefined): JsonObject {
  const content: Record<string, unknown> = {};
  if (version !== '10') content['redacts'] = redacts;
  if (reason !== undefined) content['reason'] = reason;
  return content;
}

const KEPT: Readonly<Record<RoomVersion, Readonly<Record<string, readonly string[] | 'all'>>>> = {
  '10': {
    'm.room.member': ['membership', 'join_authorised_via_users_server'],
    'm.room.create': ['creator'],
    'm.room.join_rules': ['join_rule', 'allow'],
    'm.room.power_levels': [
      'ban',
      'events',
      'events_default',
      'kick',
      'redact',
      'state_default',
      'users',
      'users_default',
    ],
    'm.room.history_visibility': ['history_visibility'],
  },
  '11': {
    'm.room.member': ['membership', 'join_authorised_via_users_server'],
    'm.room.create': 'all',
    'm.room.join_rules': ['join_rule', 'allow'],
    'm.room.power_levels': [
      'ban',
      'events',
      'events_default',
      'invite',
      'kick',
      'redact',
      'state_default',
      'users',
      'users_default',
    ],
    'm.room.history_visibility': ['history_visibility'],
    'm.room.redaction': ['redacts'],
  },
};

/** What is left of an event's content when it is redacted. A new object; `content` is not modified. */
export function redactContent(version: RoomVersion, type: string, content: JsonObject): JsonObject {
  const kept = Object.hasOwn(KEPT[version], type) ? KEPT[version][type] : [];
  if (kept === 'all') return { ...content };
  const left: Record<string, unknown> = {};
  for (const key of kept ?? []) if (Object.hasOwn(content, key)) left[key] = content[key];
  const invite = content['third_party_invite'];
  if (version === '11' && type === 'm.room.member' && typeof invite === 'object' && invite !== null) {
    const { signed } = invite as Record<string, unknown>;
    if (signed !== undefined) left['third_party_invite'] = { signed };
  }
  return left;
}
