/**
 * POST /rooms/{roomId}/invite, /kick, /ban and /unban: what one member does about another.
 *
 * Invites by e-mail or telephone need an identity server and are refused. Source: Matrix specification, client-server API,
 * "Room membership".
 */
import { MatrixError } from '../../matrix/errors.ts';
import type { RoomId, UserId } from '../../matrix/identifiers.ts';
import { objectBody, parseBody } from '../parse-body.ts';
import { type Route, STABLE_VERSIONS } from '../route.ts';
import { type RoomServices, roomIdParam, targetBody } from './room-params.ts';

type Change = (sender: UserId, roomId: RoomId, target: string, reason?: string) => Promise<void>;

export function inviteUser({ rooms: { memberships } }: RoomServices): Route[] {
  return [
    toRoute('invite', 'inviteUser', (...change) => memberships.invite(...change)),
    toRoute('kick', 'kick', (...change) => memberships.kick(...change)),
    toRoute('ban', 'ban', (...change) => memberships.ban(...change)),
    toRoute('unban', 'unban', (...change) => memberships.unban(...change)),
  ];
}

function toRoute(name: string, operationId: string, change: Change): Route {
  return {
    method: 'POST',
    path: `/rooms/:roomId/${name}`,
    versions: STABLE_VERSIONS,
    auth: 'required',
    operationId,
    handler: async (request) => {
      if (
        name === 'invite' &&
        !Object.hasOwn(objectBody(request), 'user_id') &&
        Object.hasOwn(objectBody(request), 'address')
      ) {
        throw new MatrixError(403, 'M_FORBIDDEN', 'Only users of this server can be invited, by their user id');
      }
      const { user_id: target, reason } = parseBody(targetBody, request);
      await change(request.requester.userId, roomIdParam(request), target, reason);
      return {};
    },
  };
}
