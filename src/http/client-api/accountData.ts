/**
 * /user/{userId}/account_data and …/rooms/{roomId}/account_data: what a client keeps with its user.
 *
 * Types that the server keeps itself have operations of their own and are refused here. Source: C-S API "Client Config".
 */
import type { AccountData } from '../../homeserver/accounts/account-data.ts';
import { MatrixError } from '../../matrix/errors.ts';
import type { RoomId } from '../../matrix/identifiers.ts';
import { objectBody } from '../parse-body.ts';
import { type ClientRequest, type Route, STABLE_VERSIONS } from '../route.ts';
import { ownUserId, pathRoomId } from './own-user.ts';

const GLOBAL = '/user/:userId/account_data/:type';
const ROOM = '/user/:userId/rooms/:roomId/account_data/:type';

export function accountData({ accountData }: { readonly accountData: AccountData }): Route[] {
  const get = async (request: ClientRequest, roomId: RoomId | null): Promise<unknown> => {
    const content = await accountData.find(ownUserId(request), roomId, request.params['type'] ?? '');
    if (content === null) throw new MatrixError(404, 'M_NOT_FOUND', 'There is no such account data');
    return content;
  };
  const set = async (request: ClientRequest, roomId: RoomId | null, reserved: string): Promise<void> => {
    const userId = ownUserId(request);
    const type = request.params['type'] ?? '';
    if (type === reserved) {
      throw new MatrixError(405, 'M_BAD_JSON', `'${type}' is kept by the server and cannot be set here`);
    }
    await accountData.set(userId, roomId, type, objectBody(request));
  };
  const shared = { versions: STABLE_VERSIONS, auth: 'required' } as const;
  return [
    {
      ...shared,
      method: 'GET',
      path: GLOBAL,
      operationId: 'getAccountData',
      handler: (request) => get(request, null),
    },
    {
      ...shared,
      method: 'PUT',
      path: GLOBAL,
      operationId: 'setAccountData',
      handler: (request) => set(request, null, 'm.push_rules'),
    },
    {
      ...shared,
      method: 'GET',
      path: ROOM,
      operationId: 'getAccountDataPerRoom',
      handler: (request) => get(request, pathRoomId(request)),
    },
    {
      ...shared,
      method: 'PUT',
      path: ROOM,
      operationId: 'setAccountDataPerRoom',
      handler: (request) => set(request, pathRoomId(request), 'm.fully_read'),
    },
  ];
}
