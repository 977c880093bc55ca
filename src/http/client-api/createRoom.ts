/**
 * POST /createRoom: makes a room with everything it starts with.
 *
 * Source: Matrix specification, client-server API, "Creation".
 */
import { z } from 'zod';
import { isUserId, type UserId } from '../../matrix/identifiers.ts';
import { parseOptionalBody } from '../parse-body.ts';
import { type Route, STABLE_VERSIONS } from '../route.ts';
import type { RoomServices } from './room-params.ts';

const jsonObject = z.record(z.string(), z.unknown());
const createRoomBody = z.looseObject({
  visibility: z.enum(['public', 'private']).optional(),
  preset: z.enum(['private_chat', 'public_chat', 'trusted_private_chat']).optional(),
  room_alias_name: z.string().optional(),
  name: z.string().optional(),
  topic: z.string().optional(),
  invite: z.array(z.custom<UserId>(isUserId, 'must be a user id')).optional(),
  is_direct: z.boolean().optional(),
  room_version: z.string().optional(),
  creation_content: jsonObject.optional(),
  initial_state: z
    .array(z.looseObject({ type: z.string().min(1), state_key: z.string().optional(), content: jsonObject }))
    .optional(),
  power_level_content_override: jsonObject.optional(),
});

export function createRoom({ rooms }: RoomServices): Route {
  return {
    method: 'POST',
    path: '/createRoom',
    versions: STABLE_VERSIONS,
    auth: 'required',
    operationId: 'createRoom',
    handler: async (request) => {
      const body = parseOptionalBody(createRoomBody, request);
      return { room_id: await rooms.createRoom(request.requester.userId, body) };
    },
  };
}
