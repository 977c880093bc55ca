/**
 * Matrix identifiers: their types, and the only functions that make them out of outside text.
 *
 * Source: Matrix specification, appendices, "Identifier Grammar". Historical user ids are accepted: any characters but
 * NUL and the separators' rules below, at most 255 bytes.
 */

/** `@localpart:server.name` */
export type UserId = `@${string}:${string}`;
/** `!opaque:server.name` */
export type RoomId = `!${string}`;
/** `#alias:server.name` */
export type RoomAlias = `#${string}:${string}`;
/** `$opaque` */
export type EventId = `$${string}`;
/** Opaque to clients; unique per user. */
export type DeviceId = string;
/** A DNS name or IP literal with an optional port, compared exactly as written. */
export type ServerName = string;

const MAX_ID_BYTES = 255;
const SERVER_NAME = /^(?:\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z.-]{1,230})(?::[0-9]{1,5})?$/;

/** Whether `value` is a valid server name: DNS name, IPv4 or bracketed IPv6, optional port. */
export function isServerName(value: unknown): value is ServerName {
  return typeof value === 'string' && value.length <= 255 && SERVER_NAME.test(value);
}

/** Whether `value` is a user id: `@`, a localpart (historical ones included), `:`, a valid server name; ≤ 255 bytes. */
export function isUserId(value: unknown): value is UserId {
  if (typeof value !== 'string' || value.charCodeAt(0) !== 64 /* @ */) return false;
  const colon = value.indexOf(':');
  if (colon < 2) return false;
  if (value.length > MAX_ID_BYTES || value.includes('\0')) return false;
  if (value.length * 3 > MAX_ID_BYTES && utf8Length(value) > MAX_ID_BYTES) return false;
  return isServerName(value.slice(colon + 1));
}

function utf8Length(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const point = character.codePointAt(0) ?? 0;
    bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
  }
  return bytes;
}

/** The part after the first `:`, compared exactly (port included). */
export function serverNameOf(userId: UserId): ServerName {
  return userId.slice(userId.indexOf(':') + 1);
}

/** The part between `@` and the first `:`. */
export function localpartOf(userId: UserId): string {
  return userId.slice(1, userId.indexOf(':'));
}

/** Whether `value` looks like a room id: `!`, something, at most 255 bytes. */
export function isRoomId(value: unknown): value is RoomId {
  return typeof value === 'string' && value.charCodeAt(0) === 33 && value.length > 1 && value.length <= MAX_ID_BYTES;
}
