/**
 * POST /join/{roomIdOrAlias}, /rooms/{roomId}/join and /knock/{roomIdOrAlias}: coming in, or asking to.
 *
 * Source: Matrix specification, client-server API, "Joining rooms", "Knocking on rooms".
 */
import { parseOptionalBody } from '../parse-body.ts';
import { type ClientRequest, type Route, STABLE_VERSIONS } from '../route.ts';
import { type RoomServices, param, reasonBody, roomIdParam } from './room-params.ts';

export function joinRoom({ rooms }: RoomServices): Route[] {
  const { directory, memberships } = rooms;
  const common = { method: 'POST', versions: STABLE_VERSIONS, auth: 'required' } as const;
  const byIdOrAlias =
    (enter: typeof memberships.join) =>
    async (request: ClientRequest): Promise<unknown> => {
      const { reason } = parseOptionalBody(reasonBody, request);
      const roomId = await directory.resolve(param(request, 'roomIdOrAlias'));
      await enter(request.requester.userId, roomId, reason);
      return { room_id: roomId };
    };
  return [
    {
      ...common,
      path: '/join/:roomIdOrAlias',
      operationId: 'joinRoom',
      handler: byIdOrAlias((userId, roomId, reason) => memberships.join(userId, roomId, reason)),
    },
    {
      ...common,
      path: '/rooms/:roomId/join',
      operationId: 'joinRoomById',
      handler: async (request) => {
        const { reason } = parseOptionalBody(reasonBody, request);
        const roomId = roomIdParam(request);
        await memberships.join(request.requester.userId, roomId, reason);
        return { room_id: roomId };
      },
    },
    {
      ...common,
      path: '/knock/:roomIdOrAlias',
      operationId: 'knockRoom',
      handler: byIdOrAlias((userId, roomId, reason) => memberships.knock(userId, roomId, reason)),
    },
  ];
}
