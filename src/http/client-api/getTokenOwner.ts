/**
 * GET /account/whoami: whose token this is.
 */
import { type Route, STABLE_VERSIONS } from '../route.ts';

export function getTokenOwner(): Route {
  return {
    method: 'GET',
    path: '/account/whoami',
    versions: STABLE_VERSIONS,
    auth: 'required',
    operationId: 'getTokenOwner',
    handler: ({ requester }) => ({ user_id: requester.userId, device_id: requester.deviceId, is_guest: false }),
  };
}
