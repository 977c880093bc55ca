/**
 * GET, PUT and DELETE /user/{userId}/rooms/{roomId}/tags: how a user sorts their rooms.
 *
 * Source: Matrix specification, client-server API, "Room Tagging".
 */
import { z } from 'zod';
import { Tags, type TagStore } from '../../homeserver/rooms/tags.ts';
import { parseOptionalBody } from '../parse-body.ts';
import { type Route, STABLE_VERSIONS } from '../route.ts';
import { ownUserId, pathRoomId } from './own-user.ts';

const tagBody = z.looseObject({ order: z.number().optional() });

export function getRoomTags({ accountData }: { readonly accountData: TagStore }): Route[] {
  const tags = new Tags(accountData);
  const common = { versions: STABLE_VERSIONS, auth: 'required' } as const;
  const onePath = '/user/:userId/rooms/:roomId/tags/:tag';
  return [
    {
      ...common,
      method: 'GET',
      path: '/user/:userId/rooms/:roomId/tags',
      operationId: 'getRoomTags',
      handler: async (request) => ({ tags: await tags.list(ownUserId(request), pathRoomId(request)) }),
    },
    {
      ...common,
      method: 'PUT',
      path: onePath,
      operationId: 'setRoomTag',
      handler: async (request) => {
        const userId = ownUserId(request);
        const content = parseOptionalBody(tagBody, request);
        await tags.set(userId, pathRoomId(request), request.params['tag'] ?? '', content);
        return {};
      },
    },
    {
      ...common,
      method: 'DELETE',
      path: onePath,
      operationId: 'deleteRoomTag',
      handler: async (request) => {
        await tags.remove(ownUserId(request), pathRoomId(request), request.params['tag'] ?? '');
        return {};
      },
    },
  ];
}
