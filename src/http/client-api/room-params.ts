/**
 * What the room operations have in common: the room of a path, a reason, the services.
 */
import { z } from 'zod';
import type { DeviceId, RoomId, UserId } from '../../matrix/identifiers.ts';
import { isRoomId } from '../../matrix/identifiers.ts';
import { MatrixError } from '../../matrix/errors.ts';
import type { Rooms } from '../../homeserver/rooms/rooms.ts';
import type { ClientRequest } from '../route.ts';

export interface RoomServices {
  readonly rooms: Rooms;
  /** Something only a person does: a message, a receipt, a read marker, typing. Never throws and never waits. */
  readonly onActivity: (userId: UserId, deviceId: DeviceId) => void;
}

/** Keys that nobody asked for are left alone: clients send more than the specification has. */
/** Some clients send null for no reason. */
const reason = z
  .string()
  .nullish()
  .transform((text) => text ?? undefined);
export const reasonBody = z.looseObject({ reason });
export const targetBody = z.looseObject({ user_id: z.string(), reason });

/** The path's room id; whether there is such a room is another question. */
export function roomIdParam(request: ClientRequest): RoomId {
  const roomId = request.params['roomId'];
  if (isRoomId(roomId)) return roomId;
  throw new MatrixError(400, 'M_INVALID_PARAM', 'The path does not name a room id');
}

/** A part of the path; the router gives every one that the route names. */
export function param(request: ClientRequest, name: string): string {
  return request.params[name] ?? '';
}

/** Who reads, as the rooms want to know it. */
export function readerOf({ requester }: ClientRequest): { readonly userId: UserId; readonly deviceId: DeviceId } {
  return { userId: requester.userId, deviceId: requester.deviceId };
}
