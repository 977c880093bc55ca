/**
 * /devices and /delete_devices: a user's devices; removing one asks for the password again.
 *
 * Source: C-S API "Device Management".
 */
import { z } from 'zod';
import type { Devices } from '../../homeserver/accounts/devices.ts';
import type { Sessions } from '../../homeserver/accounts/sessions.ts';
import type { StoredDevice } from '../../ports/account-store.ts';
import { type FailedAttempts, passwordAuth } from '../interactive-auth.ts';
import { parseBody, parseOptionalBody } from '../parse-body.ts';
import { type Route, STABLE_VERSIONS } from '../route.ts';
import { deviceNameSchema } from './login-body.ts';

export interface DeviceRouteServices {
  readonly sessions: Sessions;
  readonly devices: Devices;
  readonly failedAttempts: FailedAttempts;
}

const renameSchema = z.object({ display_name: deviceNameSchema.nullish() });
const deleteSchema = z.object({ auth: z.unknown().optional() });
const deleteManySchema = z.object({ auth: z.unknown().optional(), devices: z.array(z.string()).max(1000) });

export function devices(services: DeviceRouteServices): Route[] {
  const { devices } = services;
  const one = { path: '/devices/:deviceId', versions: STABLE_VERSIONS, auth: 'required' } as const;
  return [
    {
      method: 'GET',
      path: '/devices',
      versions: STABLE_VERSIONS,
      auth: 'required',
      operationId: 'getDevices',
      handler: async ({ requester }) => ({ devices: (await devices.list(requester.userId)).map(deviceBody) }),
    },
    {
      ...one,
      method: 'GET',
      operationId: 'getDevice',
      handler: async ({ requester, params }) =>
        deviceBody(await devices.get(requester.userId, params['deviceId'] ?? '')),
    },
    {
      ...one,
      method: 'PUT',
      operationId: 'updateDevice',
      handler: async (request) => {
        const { display_name: displayName } = parseOptionalBody(renameSchema, request);
        const { userId } = request.requester;
        const deviceId = request.params['deviceId'] ?? '';
        if (displayName === undefined) await devices.get(userId, deviceId);
        else await devices.rename(userId, deviceId, displayName);
      },
    },
    {
      ...one,
      method: 'DELETE',
      operationId: 'deleteDevice',
      handler: async (request) => {
        const { userId } = request.requester;
        const challenge = await passwordAuth(services, userId, parseOptionalBody(deleteSchema, request).auth);
        if (challenge !== null) return challenge;
        await devices.remove(userId, [request.params['deviceId'] ?? '']);
        return {};
      },
    },
    {
      method: 'POST',
      path: '/delete_devices',
      versions: STABLE_VERSIONS,
      auth: 'required',
      operationId: 'deleteDevices',
      handler: async (request) => {
        const { userId } = request.requester;
        const { auth, devices: deviceIds } = parseBody(deleteManySchema, request);
        const challenge = await passwordAuth(services, userId, auth);
        if (challenge !== null) return challenge;
        await devices.remove(userId, deviceIds);
        return {};
      },
    },
  ];
}

function deviceBody(device: StoredDevice): Record<string, unknown> {
  return {
    device_id: device.deviceId,
    ...(device.displayName === null ? {} : { display_name: device.displayName }),
    ...(device.lastSeenTs === null ? {} : { last_seen_ts: device.lastSeenTs }),
    ...(device.lastSeenIp === null ? {} : { last_seen_ip: device.lastSeenIp }),
  };
}
