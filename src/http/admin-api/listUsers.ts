/**
 * GET /users: everybody whose presence is known, in pages.
 */
import { z } from 'zod';
import { isServerName, type ServerName } from '../../matrix/identifiers.ts';
import { isPresenceState, PRESENCE_STATES, PresenceState } from '../../matrix/presence-state.ts';
import type { PresenceView } from '../../presence/index.ts';
import { type AdminOperation, defineOperation } from './operation.ts';
import { numberParam } from './parse-input.ts';
import { toSummary, userSummary } from './user-schemas.ts';

export interface ListUsersServices {
  readonly presence: { readonly view: Pick<PresenceView, 'users' | 'stats'> };
}

const MAX_LIMIT = 1000;
const MAX_PLACE = Number.MAX_SAFE_INTEGER;
/** For people who filter by hand: the long name of busy is hard to remember. */
const STATES = [...PRESENCE_STATES, 'busy'] as const;

const query = z.object({
  state: z
    .enum(STATES, { error: `must be one of: ${STATES.join(', ')}` })
    .optional()
    .meta({ description: 'Only users in this state.' }),
  server: z
    .custom<ServerName>(isServerName, { error: 'must be the name of a server, such as example.org' })
    .optional()
    .meta({ type: 'string', description: 'Only users of this server.' }),
  prefix: z
    .string()
    .max(255, { error: 'must have 255 characters at most' })
    .default('')
    .meta({ description: 'Only users whose id begins with this, such as `@alice`.' }),
  from: numberParam({ min: 0, max: MAX_PLACE }).default(0).meta({
    description: 'Where to go on: `next_batch` of the page before.',
  }),
  limit: numberParam({ min: 1, max: MAX_LIMIT }).default(100).meta({ description: 'Most users of the page.' }),
});

const answer = z
  .object({
    users: z.array(userSummary),
    total: z.int().min(0).meta({ description: 'All users whose presence is known, whatever the filters say.' }),
    next_batch: z.string().optional().meta({
      description:
        'The `from` of the next page. As long as it is there, there may be more, even if this page has none.',
    }),
  })
  .meta({ id: 'UserPage' });

export function listUsers({ presence }: ListUsersServices): AdminOperation {
  return defineOperation({
    operationId: 'listUsers',
    method: 'GET',
    path: '/users',
    summary: 'Users and their presence',
    description:
      'Local users and those of other servers, without strangers. The order stays while users are known, so that pages miss nobody who is known all the time.',
    query,
    answer: { description: 'A page of users.', schema: answer },
    handler: ({ query: { state, server, prefix, from, limit } }) => {
      const filter = { state: toState(state), server: server ?? null, prefix };
      const { users, next } = presence.view.users(filter, from, limit);
      return {
        users: users.map(toSummary),
        total: presence.view.stats().users,
        ...(next === null ? {} : { next_batch: String(next) }),
      };
    },
  });
}

function toState(state: (typeof STATES)[number] | undefined): PresenceState | null {
  if (state === 'busy') return PresenceState.BUSY;
  return isPresenceState(state) ? state : null;
}
