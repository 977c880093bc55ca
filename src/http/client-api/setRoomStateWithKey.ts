/**
 * PUT /rooms/{roomId}/state/{eventType}, with and without a state key.
 *
 * Source: Matrix specification, client-server API, "Sending events to a room".
 */
import { objectBody } from '../parse-body.ts';
import { type ClientRequest, type Route, STABLE_VERSIONS } from '../route.ts';
import { type RoomServices, param, roomIdParam } from './room-params.ts';

export function setRoomStateWithKey({ rooms }: RoomServices): Route[] {
  const common = {
    method: 'PUT',
    versions: STABLE_VERSIONS,
    auth: 'required',
    operationId: 'setRoomStateWithKey',
    handler: async (request: ClientRequest): Promise<unknown> => {
      const eventId = await rooms.events.sendState(request.requester.userId, roomIdParam(request), {
        type: param(request, 'eventType'),
        stateKey: param(request, 'stateKey'),
        content: objectBody(request),
      });
      return { event_id: eventId };
    },
  } as const;
  return [
    { ...common, path: '/rooms/:roomId/state/:eventType' },
    { ...common, path: '/rooms/:roomId/state/:eventType/:stateKey' },
  ];
}
