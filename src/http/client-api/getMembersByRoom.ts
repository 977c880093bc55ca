/**
 * GET /joined_rooms, /rooms/{roomId}/members and /rooms/{roomId}/joined_members: who is where.
 *
 * Source: Matrix specification, client-server API, "Getting events for a room".
 */
import { MatrixError } from '../../matrix/errors.ts';
import { parseTimelineToken } from '../../homeserver/rooms/timeline.ts';
import { type ClientRequest, type Route, STABLE_VERSIONS } from '../route.ts';
import { type RoomServices, readerOf, roomIdParam } from './room-params.ts';

const MEMBERSHIPS: ReadonlySet<string> = new Set(['join', 'invite', 'knock', 'leave', 'ban']);

export function getMembersByRoom({ rooms }: RoomServices): Route[] {
  const common = { method: 'GET', versions: STABLE_VERSIONS, auth: 'required' } as const;
  return [
    {
      ...common,
      path: '/joined_rooms',
      operationId: 'getJoinedRooms',
      handler: async ({ requester }) => ({ joined_rooms: await rooms.memberships.joinedRooms(requester.userId) }),
    },
    {
      ...common,
      path: '/rooms/:roomId/members',
      operationId: 'getMembersByRoom',
      handler: async (request) => {
        const at = request.query.get('at');
        const chunk = await rooms.reader.members(readerOf(request), roomIdParam(request), {
          at: at === null ? null : parseTimelineToken(at, 'at'),
          membership: membershipParam(request, 'membership'),
          notMembership: membershipParam(request, 'not_membership'),
        });
        return { chunk };
      },
    },
    {
      ...common,
      path: '/rooms/:roomId/joined_members',
      operationId: 'getJoinedMembersByRoom',
      handler: async (request) => ({
        joined: await rooms.reader.joinedMembers(request.requester.userId, roomIdParam(request)),
      }),
    },
  ];
}

function membershipParam(request: ClientRequest, name: string): string | null {
  const value = request.query.get(name);
  if (value === null || MEMBERSHIPS.has(value)) return value;
  throw new MatrixError(400, 'M_INVALID_PARAM', `Query parameter '${name}' must be join, invite, knock, leave or ban`);
}
