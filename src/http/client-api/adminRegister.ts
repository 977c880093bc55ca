/**
 * GET and POST /_synapse/admin/v1/register: registration by shared secret, as existing tools ask for it.
 *
 * Source: the reference server's admin API "Shared-Secret Registration".
 */
import { z } from 'zod';
import type { Sessions } from '../../homeserver/accounts/sessions.ts';
import type { SharedSecretRegistration } from '../../homeserver/accounts/shared-secret-registration.ts';
import { parseBody } from '../parse-body.ts';
import type { ClientRequest, Route } from '../route.ts';
import { toBody } from './register.ts';

export interface AdminRegisterServices {
  readonly sessions: Sessions;
  readonly sharedSecret: SharedSecretRegistration;
}

const schema = z.object({
  nonce: z.string(),
  // NUL separates what the MAC is made of, so that it cannot be part of any of it.
  username: z
    .string()
    .min(1)
    .max(512)
    .regex(/^[^\0]*$/),
  password: z
    .string()
    .min(1)
    .max(512)
    .regex(/^[^\0]*$/),
  mac: z.string(),
  admin: z.boolean().nullish(),
  user_type: z.enum(['support', 'bot']).nullish(),
  displayname: z.string().max(256).nullish(),
  inhibit_login: z.boolean().nullish(),
});

export function adminRegister(services: AdminRegisterServices): Route[] {
  const shared = { path: '/register', prefix: '/_synapse/admin/v1', versions: [], auth: 'none' } as const;
  return [
    {
      ...shared,
      method: 'GET',
      operationId: 'getRegisterNonce',
      handler: () => ({ nonce: services.sharedSecret.makeNonce() }),
    },
    {
      ...shared,
      method: 'POST',
      operationId: 'registerBySharedSecret',
      handler: (request) => registerUser(services, request),
    },
  ];
}

async function registerUser(
  { sessions, sharedSecret }: AdminRegisterServices,
  request: ClientRequest,
): Promise<unknown> {
  const body = parseBody(schema, request);
  const { nonce, username, password, mac } = body;
  const isAdmin = body.admin ?? false;
  const userType = body.user_type ?? null;
  sharedSecret.check({ nonce, username, password, isAdmin, userType, mac });
  const { displayname } = body;
  return toBody(
    await sessions.register({
      username,
      password,
      isAdmin,
      userType,
      ...(typeof displayname === 'string' ? { displayname } : {}),
      device: body.inhibit_login === true ? null : { deviceId: null, displayName: null },
    }),
  );
}
