/**
 * POST /account/password and /account/deactivate: both ask for the password again.
 *
 * Source: C-S API "Account Management". Third-party ids are not offered, so none can be left bound.
 */
import { z } from 'zod';
import type { Devices } from '../../homeserver/accounts/devices.ts';
import type { Sessions } from '../../homeserver/accounts/sessions.ts';
import { type FailedAttempts, passwordAuth } from '../interactive-auth.ts';
import { parseBody, parseOptionalBody } from '../parse-body.ts';
import { type ClientRequest, type Route, STABLE_VERSIONS } from '../route.ts';

export interface AccountRouteServices {
  readonly sessions: Sessions;
  readonly devices: Devices;
  readonly failedAttempts: FailedAttempts;
}

const passwordSchema = z.object({
  auth: z.unknown().optional(),
  new_password: z.string(),
  logout_devices: z.boolean().default(true),
});
const deactivateSchema = z.object({ auth: z.unknown().optional() });

export function account(services: AccountRouteServices): Route[] {
  const shared = { method: 'POST', versions: STABLE_VERSIONS, auth: 'required' } as const;
  return [
    {
      ...shared,
      path: '/account/password',
      operationId: 'changePassword',
      handler: (request) => changePassword(services, request),
    },
    {
      ...shared,
      path: '/account/deactivate',
      operationId: 'deactivateAccount',
      handler: (request) => deactivate(services, request),
    },
  ];
}

async function changePassword(services: AccountRouteServices, request: ClientRequest): Promise<unknown> {
  const { userId, deviceId } = request.requester;
  const { auth, new_password: newPassword, logout_devices: logoutDevices } = parseBody(passwordSchema, request);
  const challenge = await passwordAuth(services, userId, auth);
  if (challenge !== null) return challenge;
  await services.sessions.changePassword(userId, newPassword);
  if (logoutDevices) await services.devices.removeAll(userId, deviceId);
  return {};
}

async function deactivate(services: AccountRouteServices, request: ClientRequest): Promise<unknown> {
  const { userId } = request.requester;
  const { auth } = parseOptionalBody(deactivateSchema, request);
  const challenge = await passwordAuth(services, userId, auth);
  if (challenge !== null) return challenge;
  await services.devices.deactivate(userId);
  return { id_server_unbind_result: 'no-support' };
}
