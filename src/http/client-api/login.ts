/**
 * GET and POST /login: a password for a token.
 *
 * Limits: each attempt counts for its address and for the account, a wrong password for the account's failures, and an
 * account that is over a limit costs no hashing. Who does not exist fails like who does. Source: C-S API "Login".
 */
import { z } from 'zod';
import type { Sessions } from '../../homeserver/accounts/sessions.ts';
import { MatrixError } from '../../matrix/errors.ts';
import type { FailedAttempts } from '../interactive-auth.ts';
import { parseBody } from '../parse-body.ts';
import { enforceLimit, type RateLimiter, throwIfLimited } from '../rate-limit.ts';
import { type ClientRequest, RawJson, type Route, STABLE_VERSIONS } from '../route.ts';
import { deviceIdSchema, deviceNameSchema, loginBody } from './login-body.ts';

export interface LoginServices {
  readonly sessions: Sessions;
  /** `rc_login.address`. */
  readonly loginAddressLimit: Pick<RateLimiter, 'take'>;
  /** `rc_login.account`. */
  readonly loginAccountLimit: Pick<RateLimiter, 'take'>;
  /** `rc_login.failed_attempts`. */
  readonly failedAttempts: FailedAttempts;
}

const FLOWS = new RawJson('{"flows":[{"type":"m.login.password"}]}');

const loginSchema = z.object({
  type: z.string(),
  identifier: z.looseObject({ type: z.string(), user: z.string().optional() }).optional(),
  user: z.string().optional(),
  password: z.string().optional(),
  device_id: deviceIdSchema.nullish(),
  initial_device_display_name: deviceNameSchema.nullish(),
});

export function login(services: LoginServices): Route[] {
  const shared = { path: '/login', versions: STABLE_VERSIONS, auth: 'none' } as const;
  return [
    { ...shared, method: 'GET', operationId: 'getLoginFlows', handler: () => FLOWS },
    { ...shared, method: 'POST', operationId: 'login', handler: (request) => logIn(services, request) },
  ];
}

async function logIn(services: LoginServices, request: ClientRequest): Promise<unknown> {
  const { sessions, loginAddressLimit, loginAccountLimit, failedAttempts } = services;
  enforceLimit(loginAddressLimit, request.ip);
  const body = parseBody(loginSchema, request);
  if (body.type !== 'm.login.password') throw new MatrixError(400, 'M_UNKNOWN', `Unknown login type '${body.type}'`);
  if (body.password === undefined) throw new MatrixError(400, 'M_MISSING_PARAM', "'password' is missing");
  const found = await sessions.findByName(nameOf(body));
  if (found === null) throw wrong();
  throwIfLimited(failedAttempts.peek(found.userId));
  enforceLimit(loginAccountLimit, found.userId);
  if (!(await sessions.isPasswordOf(found.user, body.password))) {
    failedAttempts.take(found.userId);
    throw wrong();
  }
  return loginBody(
    await sessions.logIn(found.userId, {
      deviceId: body.device_id ?? null,
      displayName: body.initial_device_display_name ?? null,
    }),
  );
}

function nameOf({ identifier, user }: z.infer<typeof loginSchema>): string {
  if (identifier !== undefined && identifier.type !== 'm.id.user') {
    throw new MatrixError(400, 'M_UNKNOWN', `Unknown identifier type '${identifier.type}'`);
  }
  const name = identifier?.user ?? user;
  if (name === undefined) throw new MatrixError(400, 'M_MISSING_PARAM', "'identifier.user' is missing");
  return name;
}

function wrong(): MatrixError {
  return new MatrixError(403, 'M_FORBIDDEN', 'Wrong username or password');
}
