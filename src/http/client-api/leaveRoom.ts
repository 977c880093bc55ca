/**
 * POST /rooms/{roomId}/leave and /forget: going, turning an invite down, and having the room out of sight.
 *
 * Source: Matrix specification, client-server API, "Leaving rooms".
 */
import { parseOptionalBody } from '../parse-body.ts';
import { type Route, STABLE_VERSIONS } from '../route.ts';
import { type RoomServices, reasonBody, roomIdParam } from './room-params.ts';

export function leaveRoom({ rooms }: RoomServices): Route[] {
  const common = { method: 'POST', versions: STABLE_VERSIONS, auth: 'required' } as const;
  return [
    {
      ...common,
      path: '/rooms/:roomId/leave',
      operationId: 'leaveRoom',
      handler: async (request) => {
        const { reason } = parseOptionalBody(reasonBody, request);
        await rooms.memberships.leave(request.requester.userId, roomIdParam(request), reason);
        return {};
      },
    },
    {
      ...common,
      path: '/rooms/:roomId/forget',
      operationId: 'forgetRoom',
      handler: async (request) => {
        await rooms.memberships.forget(request.requester.userId, roomIdParam(request));
        return {};
      },
    },
  ];
}
