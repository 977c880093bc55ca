/**
 * Wire shapes that login and registration share.
 */
import { z } from 'zod';
import type { Login } from '../../homeserver/accounts/sessions.ts';
import { serverNameOf } from '../../matrix/identifiers.ts';

/** Ids of devices are part of paths and keys. */
export const deviceIdSchema = z.string().min(1).max(255);
export const deviceNameSchema = z.string().max(255);

export interface LoginBody {
  readonly user_id: string;
  readonly device_id: string;
  readonly access_token: string;
  /** Old clients read it. */
  readonly home_server: string;
}

export function loginBody({ userId, deviceId, accessToken }: Login): LoginBody {
  return { user_id: userId, device_id: deviceId, access_token: accessToken, home_server: serverNameOf(userId) };
}
