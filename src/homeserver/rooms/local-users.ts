/**
 * Rooms are local to the server: whoever is to be a member has an id of this server.
 */
import { MatrixError } from '../../matrix/errors.ts';
import { isUserId, serverNameOf, type UserId } from '../../matrix/identifiers.ts';

/**
 * Returns `value` as a user id of this server.
 *
 * @throws MatrixError 400 M_INVALID_PARAM when it is no user id, 403 M_FORBIDDEN when it is another server's
 */
export function checkLocalUser(value: unknown, serverName: string): UserId {
  if (!isUserId(value)) throw new MatrixError(400, 'M_INVALID_PARAM', `'${String(value)}' is not a user id`);
  if (serverNameOf(value) === serverName) return value;
  throw new MatrixError(403, 'M_FORBIDDEN', `${value} belongs to another server: rooms are local to ${serverName}`);
}
