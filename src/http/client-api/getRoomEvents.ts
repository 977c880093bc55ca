/**
 * GET /rooms/{roomId}/messages and /rooms/{roomId}/event/{eventId}: a room's history.
 *
 * Source: Matrix specification, client-server API, "Syncing", "Getting events for a room".
 */
import { DEFAULT_FILTER, parseFilter, type StateFilter } from '../../homeserver/sync/filter.ts';
import { MatrixError } from '../../matrix/errors.ts';
import type { EventId } from '../../matrix/identifiers.ts';
import { integerParam } from '../parse-body.ts';
import { type ClientRequest, type Route, STABLE_VERSIONS } from '../route.ts';
import { type RoomServices, param, readerOf, roomIdParam } from './room-params.ts';

const DEFAULT_LIMIT = 10;

export function getRoomEvents({ rooms }: RoomServices): Route[] {
  const common = { method: 'GET', versions: STABLE_VERSIONS, auth: 'required' } as const;
  return [
    {
      ...common,
      path: '/rooms/:roomId/messages',
      operationId: 'getRoomEvents',
      handler: (request) =>
        rooms.timeline.messages(readerOf(request), roomIdParam(request), {
          dir: directionParam(request),
          from: request.query.get('from'),
          to: request.query.get('to'),
          limit: integerParam(request, 'limit', DEFAULT_LIMIT),
          filter: filterParam(request),
        }),
    },
    {
      ...common,
      path: '/rooms/:roomId/event/:eventId',
      operationId: 'getOneRoomEvent',
      handler: (request) =>
        rooms.timeline.event(readerOf(request), roomIdParam(request), param(request, 'eventId') as EventId),
    },
  ];
}

function directionParam(request: ClientRequest): 'b' | 'f' {
  const dir = request.query.get('dir');
  if (dir === 'b' || dir === 'f') return dir;
  if (dir === null) throw new MatrixError(400, 'M_MISSING_PARAM', "Query parameter 'dir' is missing");
  throw new MatrixError(400, 'M_INVALID_PARAM', "Query parameter 'dir' must be 'b' or 'f'");
}

/** A RoomEventFilter as JSON. */
function filterParam(request: ClientRequest): StateFilter {
  const text = request.query.get('filter');
  if (text === null || text === '') return DEFAULT_FILTER.room.timeline;
  let timeline: unknown;
  try {
    timeline = JSON.parse(text);
  } catch (cause) {
    throw new MatrixError(400, 'M_NOT_JSON', "Query parameter 'filter' is not JSON", {}, { cause });
  }
  return parseFilter({ room: { timeline } }).room.timeline;
}
