/**
 * PUT, GET and DELETE /directory/room/{roomAlias}, and GET /rooms/{roomId}/aliases.
 *
 * Source: Matrix specification, client-server API, "Room aliases".
 */
import { z } from 'zod';
import { parseBody } from '../parse-body.ts';
import { type Route, STABLE_VERSIONS } from '../route.ts';
import { type RoomServices, param, roomIdParam } from './room-params.ts';

const PATH = '/directory/room/:roomAlias';
const aliasBody = z.looseObject({ room_id: z.string() });

/** `serverName` is what an alias says its room can be joined through. */
export function setRoomAlias({ rooms, serverName }: RoomServices & { readonly serverName: string }): Route[] {
  const { directory, reader } = rooms;
  const common = { path: PATH, versions: STABLE_VERSIONS, auth: 'required' } as const;
  return [
    {
      ...common,
      method: 'PUT',
      operationId: 'setRoomAlias',
      handler: async (request) => {
        const { room_id: roomId } = parseBody(aliasBody, request);
        await directory.addAlias(request.requester.userId, param(request, 'roomAlias'), roomId);
        return {};
      },
    },
    {
      ...common,
      method: 'GET',
      auth: 'none',
      operationId: 'getRoomIdByAlias',
      handler: async (request) => ({
        room_id: await directory.roomOf(param(request, 'roomAlias')),
        servers: [serverName],
      }),
    },
    {
      ...common,
      method: 'DELETE',
      operationId: 'deleteRoomAlias',
      handler: async (request) => {
        await directory.removeAlias(request.requester.userId, param(request, 'roomAlias'));
        return {};
      },
    },
    {
      ...common,
      method: 'GET',
      path: '/rooms/:roomId/aliases',
      operationId: 'getLocalAliases',
      handler: async (request) => ({
        aliases: await reader.aliases(request.requester.userId, roomIdParam(request)),
      }),
    },
  ];
}
