/**
 * GET and POST /publicRooms, and whether a room is in that list.
 *
 * Source: Matrix specification, client-server API, "Published room directory".
 */
import { z } from 'zod';
import { MatrixError } from '../../matrix/errors.ts';
import { integerParam, parseOptionalBody } from '../parse-body.ts';
import { type ClientRequest, type Route, STABLE_VERSIONS } from '../route.ts';
import { type RoomServices, roomIdParam } from './room-params.ts';

const queryBody = z.looseObject({
  limit: z.int().min(0).optional(),
  since: z.string().optional(),
  filter: z.looseObject({ generic_search_term: z.string().nullish() }).nullish(),
});
const visibilityBody = z.looseObject({ visibility: z.enum(['public', 'private']).optional() });

export function getPublicRooms({ rooms, serverName }: RoomServices & { readonly serverName: string }): Route[] {
  const { directory } = rooms;
  const checkServer = (request: ClientRequest): void => {
    const server = request.query.get('server');
    if (server === null || server === serverName) return;
    throw new MatrixError(403, 'M_FORBIDDEN', 'Only the rooms of this server are known here');
  };
  return [
    {
      method: 'GET',
      path: '/publicRooms',
      versions: STABLE_VERSIONS,
      auth: 'none',
      operationId: 'getPublicRooms',
      handler: (request) => {
        checkServer(request);
        const limit = integerParam(request, 'limit', null);
        return directory.publicRooms({ limit, since: request.query.get('since'), searchTerm: null });
      },
    },
    {
      method: 'POST',
      path: '/publicRooms',
      versions: STABLE_VERSIONS,
      auth: 'required',
      operationId: 'queryPublicRooms',
      handler: (request) => {
        checkServer(request);
        const { limit, since, filter } = parseOptionalBody(queryBody, request);
        const searchTerm = filter?.generic_search_term ?? null;
        return directory.publicRooms({ limit: limit ?? null, since: since ?? null, searchTerm });
      },
    },
    {
      method: 'GET',
      path: '/directory/list/room/:roomId',
      versions: STABLE_VERSIONS,
      auth: 'none',
      operationId: 'getRoomVisibilityOnDirectory',
      handler: async (request) => ({ visibility: await directory.visibility(roomIdParam(request)) }),
    },
    {
      method: 'PUT',
      path: '/directory/list/room/:roomId',
      versions: STABLE_VERSIONS,
      auth: 'required',
      operationId: 'setRoomVisibilityOnDirectory',
      handler: async (request) => {
        const { visibility } = parseOptionalBody(visibilityBody, request);
        await directory.setVisibility(request.requester.userId, roomIdParam(request), visibility ?? 'public');
        return {};
      },
    },
  ];
}
