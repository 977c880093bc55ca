/**
 * From what a client calls a user to a user id: names for new accounts, and names to log in with.
 *
 * New names follow the grammar of the specification; capitals are made small first, as clients expect. Existing users
 * are found by any name, because historical ids may hold anything. Source: Matrix specification, "User Identifiers".
 */
import { randomInt } from 'node:crypto';
import { MatrixError } from '../../matrix/errors.ts';
import { isUserId, type UserId } from '../../matrix/identifiers.ts';

const LOCALPART = /^[a-z0-9._=\-/+]+$/;
const LETTERS = 'abcdefghijklmnopqrstuvwxyz';

/** The id that a new user called `username` gets. @throws MatrixError 400 `M_INVALID_USERNAME` */
export function newUserId(username: string, serverName: string): UserId {
  const localpart = username.toLowerCase();
  const userId: UserId = `@${localpart}:${serverName}`;
  if (!LOCALPART.test(localpart)) {
    throw new MatrixError(
      400,
      'M_INVALID_USERNAME',
      "A username may have a-z, 0-9, and any of '.', '_', '=', '-', '/', '+'",
    );
  }
  if (!isUserId(userId)) throw new MatrixError(400, 'M_INVALID_USERNAME', 'The username is too long');
  return userId;
}

/** A localpart for somebody who did not choose one. */
export function randomLocalpart(): string {
  return Array.from({ length: 12 }, () => LETTERS.charAt(randomInt(LETTERS.length))).join('');
}

/**
 * The ids that `name`, a localpart or a whole id, may mean on this server, the likeliest first. Empty for an id of
 * another server.
 */
export function candidateUserIds(name: string, serverName: string): UserId[] {
  const given = name.startsWith('@') ? name : `@${name}:${serverName}`;
  if (!isUserId(given) || !given.endsWith(`:${serverName}`)) return [];
  const small = `${given.slice(0, -serverName.length).toLowerCase()}${serverName}`;
  return isUserId(small) && small !== given ? [given, small] : [given];
}
