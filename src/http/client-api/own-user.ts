/**
 * Paths that name a user who must be the one who asks.
 */
import { MatrixError } from '../../matrix/errors.ts';
import { isRoomId, isUserId, type RoomId, type UserId } from '../../matrix/identifiers.ts';
import type { ClientRequest } from '../route.ts';

/** The path's `:userId`. @throws MatrixError 400 `M_INVALID_PARAM`, 403 `M_FORBIDDEN` for somebody else's */
export function ownUserId(request: ClientRequest): UserId {
  const userId = pathUserId(request);
  if (userId !== request.requester.userId) throw new MatrixError(403, 'M_FORBIDDEN', "This is another user's");
  return userId;
}

/** The path's `:userId`. @throws MatrixError 400 `M_INVALID_PARAM` */
export function pathUserId(request: ClientRequest): UserId {
  const userId = request.params['userId'];
  if (!isUserId(userId)) throw new MatrixError(400, 'M_INVALID_PARAM', 'The path does not name a user id');
  return userId;
}

/** The path's `:roomId`. @throws MatrixError 400 `M_INVALID_PARAM` */
export function pathRoomId(request: ClientRequest): RoomId {
  const roomId = request.params['roomId'];
  if (!isRoomId(roomId)) throw new MatrixError(400, 'M_INVALID_PARAM', 'The path does not name a room id');
  return roomId;
}
