/**
 * POST /logout and /logout/all: the device is gone with its token, and its presence with it.
 */
import type { Devices } from '../../homeserver/accounts/devices.ts';
import { type Route, STABLE_VERSIONS } from '../route.ts';

export function logout({ devices }: { readonly devices: Devices }): Route[] {
  const shared = { method: 'POST', versions: STABLE_VERSIONS, auth: 'required' } as const;
  return [
    {
      ...shared,
      path: '/logout',
      operationId: 'logout',
      handler: ({ requester }) => devices.remove(requester.userId, [requester.deviceId]),
    },
    {
      ...shared,
      path: '/logout/all',
      operationId: 'logout_all',
      handler: ({ requester }) => devices.removeAll(requester.userId),
    },
  ];
}
