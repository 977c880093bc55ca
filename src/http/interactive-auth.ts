/**
 * User-interactive authentication, of one stage: a dummy for registration, the password for what cannot be undone.
 *
 * One stage needs no memory between requests, so the session is only an echo, and a request that brings its `auth` at once is
 * as good as one that was asked for it. Source: C-S API "User-Interactive Authentication API".
 */
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { Sessions } from '../homeserver/accounts/sessions.ts';
import { MatrixError } from '../matrix/errors.ts';
import type { UserId } from '../matrix/identifiers.ts';
import { isJsonObject, type JsonObject } from '../matrix/json-object.ts';
import { parseValue } from './parse-body.ts';
import { type RateLimiter, throwIfLimited } from './rate-limit.ts';
import { Reply } from './route.ts';

export type Stage = 'm.login.dummy' | 'm.login.password';

/** How many wrong passwords an account takes: `rc_login.failed_attempts`. */
export type FailedAttempts = Pick<RateLimiter, 'take' | 'peek'>;

/** The 401 that asks for a stage. */
export function challenge(stage: Stage, session?: unknown): Reply {
  return new Reply(401, challengeBody(stage, session));
}

/**
 * Null when `auth` is a finished dummy stage, else the challenge to answer with.
 * @throws MatrixError 400 `M_BAD_JSON` when `auth` is not an object, 401 `M_UNAUTHORIZED` for another stage
 */
export function dummyAuth(auth: unknown): Reply | null {
  const given = readAuth(auth);
  if (given === null || given['type'] === undefined) return challenge('m.login.dummy', given?.['session']);
  if (given['type'] === 'm.login.dummy') return null;
  throw unknownStage('m.login.dummy', given);
}

const passwordStage = z.object({
  identifier: z.object({ type: z.literal('m.id.user'), user: z.string() }).optional(),
  user: z.string().optional(),
  password: z.string(),
});

/**
 * Null when `auth` has the password of `userId`, else the challenge to answer with.
 * @throws MatrixError 401 `M_FORBIDDEN` with the flows for a wrong password, 429 after too many, 400 for a wrong shape
 */
export async function passwordAuth(
  services: { readonly sessions: Sessions; readonly failedAttempts: FailedAttempts },
  userId: UserId,
  auth: unknown,
): Promise<Reply | null> {
  const given = readAuth(auth);
  if (given === null || given['type'] === undefined) return challenge('m.login.password', given?.['session']);
  if (given['type'] !== 'm.login.password') throw unknownStage('m.login.password', given);
  const { identifier, user: legacyUser, password } = parseValue(passwordStage, given);
  const { sessions, failedAttempts } = services;
  throwIfLimited(failedAttempts.peek(userId));
  const named = identifier?.user ?? legacyUser;
  const found = named === undefined ? null : await sessions.findByName(named);
  const isSelf = named === undefined || found?.userId === userId;
  if (isSelf && (await sessions.isPasswordOf(await sessions.findUser(userId), password))) return null;
  failedAttempts.take(userId);
  throw new MatrixError(401, 'M_FORBIDDEN', 'Wrong password', challengeBody('m.login.password', given['session']));
}

function readAuth(auth: unknown): JsonObject | null {
  if (auth === undefined || auth === null) return null;
  if (!isJsonObject(auth)) throw new MatrixError(400, 'M_BAD_JSON', "'auth' must be an object");
  return auth;
}

function unknownStage(stage: Stage, auth: JsonObject): MatrixError {
  return new MatrixError(401, 'M_UNAUTHORIZED', `The only stage is ${stage}`, challengeBody(stage, auth['session']));
}

function challengeBody(stage: Stage, session: unknown): Record<string, unknown> {
  const echo = typeof session === 'string' && session.length <= 255 ? session : randomBytes(18).toString('base64url');
  return { flows: [{ stages: [stage] }], params: {}, session: echo, completed: [] };
}
