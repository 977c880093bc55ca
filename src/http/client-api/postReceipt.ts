/**
 * POST /rooms/{roomId}/receipt/{receiptType}/{eventId} and /rooms/{roomId}/read_markers: how far somebody has read.
 *
 * Each is activity: a receipt once it is known to be one, markers before their body is looked at. Source: Matrix specification,
 * client-server API, "Receipts", "Fully read markers"; the moments are the reference server's.
 */
import { z } from 'zod';
import { type ReceiptType, RECEIPT_TYPES } from '../../homeserver/rooms/receipts.ts';
import { MatrixError } from '../../matrix/errors.ts';
import type { EventId } from '../../matrix/identifiers.ts';
import { parseBody, parseOptionalBody } from '../parse-body.ts';
import { type Route, STABLE_VERSIONS } from '../route.ts';
import { type RoomServices, param, roomIdParam } from './room-params.ts';

const eventId = z.custom<EventId>((value) => typeof value === 'string' && value.startsWith('$'), 'must be an event id');
const receiptBody = z.looseObject({ thread_id: z.string().min(1).max(255).optional() });
const markersBody = z.looseObject({
  'm.fully_read': eventId.optional(),
  'm.read': eventId.optional(),
  'm.read.private': eventId.optional(),
});

export function postReceipt({ rooms, onActivity }: RoomServices): Route[] {
  const common = { method: 'POST', versions: STABLE_VERSIONS, auth: 'required' } as const;
  return [
    {
      ...common,
      path: '/rooms/:roomId/receipt/:receiptType/:eventId',
      operationId: 'postReceipt',
      handler: async (request) => {
        const { userId, deviceId } = request.requester;
        const roomId = roomIdParam(request);
        const type = parseReceiptType(param(request, 'receiptType'));
        const { thread_id: threadId = null } = parseOptionalBody(receiptBody, request);
        if (type === 'm.fully_read' && threadId !== null) {
          throw new MatrixError(400, 'M_INVALID_PARAM', "'thread_id' does not go with m.fully_read");
        }
        onActivity(userId, deviceId);
        await rooms.receipts.set(userId, roomId, { type, eventId: param(request, 'eventId') as EventId, threadId });
        return {};
      },
    },
    {
      ...common,
      path: '/rooms/:roomId/read_markers',
      operationId: 'setReadMarker',
      handler: async (request) => {
        const { userId, deviceId } = request.requester;
        const roomId = roomIdParam(request);
        onActivity(userId, deviceId);
        const body = parseBody(markersBody, request);
        for (const type of RECEIPT_TYPES) {
          const read = body[type];
          if (read !== undefined) await rooms.receipts.set(userId, roomId, { type, eventId: read, threadId: null });
        }
        return {};
      },
    },
  ];
}

function parseReceiptType(text: string): ReceiptType {
  const type = RECEIPT_TYPES.find((each) => each === text);
  if (type !== undefined) return type;
  throw new MatrixError(400, 'M_INVALID_PARAM', `The receipt type must be one of ${RECEIPT_TYPES.join(', ')}`);
}
