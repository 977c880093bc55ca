/**
 * The operations about rooms, together, in the order of the specification's chapters.
 */
import type { ServerName } from '../../matrix/identifiers.ts';
import type { Route } from '../route.ts';
import { createRoom } from './createRoom.ts';
import { getMembersByRoom } from './getMembersByRoom.ts';
import { getPublicRooms } from './getPublicRooms.ts';
import { getRoomEvents } from './getRoomEvents.ts';
import { getRoomState } from './getRoomState.ts';
import { inviteUser } from './inviteUser.ts';
import { joinRoom } from './joinRoom.ts';
import { leaveRoom } from './leaveRoom.ts';
import { postReceipt } from './postReceipt.ts';
import type { RoomServices } from './room-params.ts';
import { sendMessage } from './sendMessage.ts';
import { setRoomAlias } from './setRoomAlias.ts';
import { setRoomStateWithKey } from './setRoomStateWithKey.ts';
import { setTyping } from './setTyping.ts';

export interface RoomRoutesServices extends RoomServices {
  readonly serverName: ServerName;
}

export function roomRoutes(services: RoomRoutesServices): Route[] {
  return [
    ...getRoomEvents(services),
    ...getRoomState(services),
    ...getMembersByRoom(services),
    ...setRoomStateWithKey(services),
    ...sendMessage(services),
    createRoom(services),
    ...setRoomAlias(services),
    ...joinRoom(services),
    ...inviteUser(services),
    ...leaveRoom(services),
    ...getPublicRooms(services),
    setTyping(services),
    ...postReceipt(services),
  ];
}
