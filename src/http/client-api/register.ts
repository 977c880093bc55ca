/**
 * POST /register and GET /register/available: new accounts, where registration is open.
 *
 * The only proof asked for is the dummy stage. Guests are not offered. Source: C-S API "Account registration".
 */
import { z } from 'zod';
import type { Sessions } from '../../homeserver/accounts/sessions.ts';
import { MatrixError } from '../../matrix/errors.ts';
import { dummyAuth } from '../interactive-auth.ts';
import { parseOptionalBody } from '../parse-body.ts';
import { enforceLimit, type RateLimiter } from '../rate-limit.ts';
import { type ClientRequest, type Route, STABLE_VERSIONS } from '../route.ts';
import { deviceIdSchema, deviceNameSchema, type LoginBody, loginBody } from './login-body.ts';

export interface RegisterServices {
  readonly sessions: Sessions;
  readonly registrationEnabled: boolean;
  /** `rc_registration`, by address. */
  readonly registrationLimit: Pick<RateLimiter, 'take'>;
}

const registerSchema = z.object({
  auth: z.unknown().optional(),
  username: z.string().nullish(),
  password: z.string().nullish(),
  device_id: deviceIdSchema.nullish(),
  initial_device_display_name: deviceNameSchema.nullish(),
  inhibit_login: z.boolean().nullish(),
});

export function register(services: RegisterServices): Route[] {
  return [
    {
      method: 'POST',
      path: '/register',
      versions: STABLE_VERSIONS,
      auth: 'none',
      operationId: 'register',
      handler: (request) => registerUser(services, request),
    },
    {
      method: 'GET',
      path: '/register/available',
      versions: STABLE_VERSIONS,
      auth: 'none',
      operationId: 'checkUsernameAvailability',
      handler: async (request) => {
        checkEnabled(services);
        const username = request.query.get('username');
        if (username === null) throw new MatrixError(400, 'M_MISSING_PARAM', "Query parameter 'username' is missing");
        await services.sessions.checkAvailable(username);
        return { available: true };
      },
    },
  ];
}

async function registerUser(services: RegisterServices, request: ClientRequest): Promise<unknown> {
  const { sessions, registrationLimit } = services;
  const kind = request.query.get('kind') ?? 'user';
  if (kind === 'guest') throw new MatrixError(403, 'M_GUEST_ACCESS_FORBIDDEN', 'There are no guests on this server');
  if (kind !== 'user') throw new MatrixError(400, 'M_INVALID_PARAM', "Query parameter 'kind' must be 'user'");
  checkEnabled(services);
  const body = parseOptionalBody(registerSchema, request);
  if (typeof body.username === 'string') await sessions.checkAvailable(body.username);
  const challenge = dummyAuth(body.auth);
  if (challenge !== null) return challenge;
  if (typeof body.password !== 'string') throw new MatrixError(400, 'M_MISSING_PARAM', "'password' is missing");
  enforceLimit(registrationLimit, request.ip);
  return toBody(
    await sessions.register({
      username: body.username ?? null,
      password: body.password,
      device:
        body.inhibit_login === true
          ? null
          : { deviceId: body.device_id ?? null, displayName: body.initial_device_display_name ?? null },
    }),
  );
}

function checkEnabled({ registrationEnabled }: RegisterServices): void {
  if (!registrationEnabled) throw new MatrixError(403, 'M_FORBIDDEN', 'Registration is closed');
}

/** A login, or the id of an account that was made without one. */
export function toBody(made: Awaited<ReturnType<Sessions['register']>>): LoginBody | { readonly user_id: string } {
  return typeof made === 'string' ? { user_id: made } : loginBody(made);
}
