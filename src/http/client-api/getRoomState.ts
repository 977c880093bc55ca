/**
 * GET /rooms/{roomId}/state, whole or one event of it.
 *
 * Without a state key in the path it is the empty one; `?format=event` gives the event instead of its content. Source: Matrix
 * specification, client-server API, "Getting events for a room".
 */
import { MatrixError } from '../../matrix/errors.ts';
import { type ClientRequest, type Route, STABLE_VERSIONS } from '../route.ts';
import { type RoomServices, param, readerOf, roomIdParam } from './room-params.ts';

export function getRoomState({ rooms }: RoomServices): Route[] {
  const common = { method: 'GET', versions: STABLE_VERSIONS, auth: 'required' } as const;
  const one = async (request: ClientRequest): Promise<unknown> => {
    const format = request.query.get('format') ?? 'content';
    if (format !== 'content' && format !== 'event') {
      throw new MatrixError(400, 'M_INVALID_PARAM', "Query parameter 'format' must be 'content' or 'event'");
    }
    const key = [param(request, 'eventType'), param(request, 'stateKey')] as const;
    const event = await rooms.reader.stateEvent(readerOf(request), roomIdParam(request), key);
    return format === 'event' ? event : event.content;
  };
  return [
    {
      ...common,
      path: '/rooms/:roomId/state',
      operationId: 'getRoomState',
      handler: (request) => rooms.reader.state(readerOf(request), roomIdParam(request)),
    },
    { ...common, path: '/rooms/:roomId/state/:eventType', operationId: 'getRoomStateWithKey', handler: one },
    { ...common, path: '/rooms/:roomId/state/:eventType/:stateKey', operationId: 'getRoomStateWithKey', handler: one },
  ];
}
