/**
 * PUT /rooms/{roomId}/send/{eventType}/{txnId} and /redact/{eventId}/{txnId}.
 *
 * A message, encrypted or not, is activity of its sender, and nothing else sent here is. Source: Matrix specification,
 * client-server API, "Sending events to a room", "Redactions"; behaviour of the reference server, except that it does not count
 * encrypted messages.
 */
import type { EventId } from '../../matrix/identifiers.ts';
import { objectBody, parseOptionalBody } from '../parse-body.ts';
import { type Route, STABLE_VERSIONS } from '../route.ts';
import { type RoomServices, param, reasonBody, roomIdParam } from './room-params.ts';

const IS_ACTIVITY: ReadonlySet<string> = new Set(['m.room.message', 'm.room.encrypted']);

export function sendMessage({ rooms, onActivity }: RoomServices): Route[] {
  const common = { method: 'PUT', versions: STABLE_VERSIONS, auth: 'required' } as const;
  return [
    {
      ...common,
      path: '/rooms/:roomId/send/:eventType/:txnId',
      operationId: 'sendMessage',
      handler: async (request) => {
        const { userId, deviceId } = request.requester;
        const type = param(request, 'eventType');
        const eventId = await rooms.events.send(userId, roomIdParam(request), {
          type,
          content: objectBody(request),
          transaction: { deviceId, txnId: param(request, 'txnId') },
        });
        if (IS_ACTIVITY.has(type)) onActivity(userId, deviceId);
        return { event_id: eventId };
      },
    },
    {
      ...common,
      path: '/rooms/:roomId/redact/:eventId/:txnId',
      operationId: 'redactEvent',
      handler: async (request) => {
        const { userId, deviceId } = request.requester;
        const { reason } = parseOptionalBody(reasonBody, request);
        const target = param(request, 'eventId') as EventId;
        const eventId = await rooms.events.redact(userId, roomIdParam(request), target, {
          reason,
          transaction: { deviceId, txnId: param(request, 'txnId') },
        });
        return { event_id: eventId };
      },
    },
  ];
}
