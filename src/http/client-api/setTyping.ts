/**
 * PUT /rooms/{roomId}/typing/{userId}: somebody types, or has stopped.
 *
 * Activity in either case, once the body is known to be right and before the room is asked. Source: Matrix specification,
 * client-server API, "Typing Notifications"; the moment is the reference server's.
 */
import { z } from 'zod';
import { MAX_TYPING_MS } from '../../homeserver/rooms/typing.ts';
import { MatrixError } from '../../matrix/errors.ts';
import { parseBody } from '../parse-body.ts';
import { type Route, STABLE_VERSIONS } from '../route.ts';
import { type RoomServices, param, roomIdParam } from './room-params.ts';

const typingBody = z.looseObject({ typing: z.boolean(), timeout: z.number().min(0).optional() });

export function setTyping({ rooms, onActivity }: RoomServices): Route {
  return {
    method: 'PUT',
    path: '/rooms/:roomId/typing/:userId',
    versions: STABLE_VERSIONS,
    auth: 'required',
    operationId: 'setTyping',
    handler: async (request) => {
      const { userId, deviceId } = request.requester;
      const roomId = roomIdParam(request);
      if (param(request, 'userId') !== userId) {
        throw new MatrixError(403, 'M_FORBIDDEN', "Nobody types in somebody else's name");
      }
      const { typing, timeout = MAX_TYPING_MS } = parseBody(typingBody, request);
      onActivity(userId, deviceId);
      await rooms.setTyping(userId, roomId, typing ? timeout : null);
      return {};
    },
  };
}
