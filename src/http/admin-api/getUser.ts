/**
 * GET /users/{userId}: the presence of one user, and what it is made of.
 */
import { z } from 'zod';
import { MatrixError } from '../../matrix/errors.ts';
import type { UserId } from '../../matrix/identifiers.ts';
import type { PresenceHandler, PresenceView } from '../../presence/index.ts';
import { type AdminOperation, defineOperation } from './operation.ts';
import { userIdParam } from './parse-input.ts';
import { toUser, user } from './user-schemas.ts';

export interface GetUserServices {
  readonly presence: Pick<PresenceHandler, 'getState'> & { readonly view: Pick<PresenceView, 'user'> };
  /** Whether there is such a user on this server. */
  readonly hasAccount: (userId: UserId) => Promise<boolean>;
}

export function getUser({ presence, hasAccount }: GetUserServices): AdminOperation {
  return defineOperation({
    operationId: 'getUser',
    method: 'GET',
    path: '/users/:userId',
    summary: 'One user, with devices',
    pathParameters: z.object({
      userId: userIdParam().meta({ type: 'string', description: 'Such as `@alice:example.org`.' }),
    }),
    answer: { description: 'The user.', schema: user },
    errors: [
      { status: 404, errcode: 'M_NOT_FOUND', description: 'there is no such account, and nobody told their presence.' },
    ],
    handler: async ({ path: { userId } }) => {
      const known = presence.view.user(userId);
      if (known !== null) return toUser(known);
      if (!(await hasAccount(userId))) throw new MatrixError(404, 'M_NOT_FOUND', `Nothing is known about ${userId}`);
      // An account that has never been online.
      const state = presence.getState(userId);
      return toUser({ state, isLocal: true, isConnected: false, isStranger: false, devices: [] });
    },
  });
}
