/**
 * GET /presence/{userId}/status: the presence of a user whom the requester may see.
 *
 * Who may see whom, and what of it, is the presence service's one answer for every path, so that a watcher by routing gets 200 here, too, and
 * what modules keep back is kept back here. Everybody else gets 403, whether the user exists or not. Source: Matrix specification, client-server API, "Presence".
 */
import { MatrixError } from '../../matrix/errors.ts';
import { isUserId } from '../../matrix/identifiers.ts';
import type { PresenceHandler } from '../../presence/index.ts';
import { type ApiVersion, RawJson, type Route } from '../route.ts';

export interface GetPresenceServices {
  readonly presence: Pick<PresenceHandler, 'mode' | 'statusFor'>;
}

/** Presence is served under the old names, too. */
export const PRESENCE_VERSIONS = ['v3', 'r0', 'unstable', 'api/v1'] as const satisfies readonly ApiVersion[];

const OFFLINE = new RawJson('{"presence":"offline"}');

export function getPresence({ presence }: GetPresenceServices): Route {
  return {
    method: 'GET',
    path: '/presence/:userId/status',
    versions: PRESENCE_VERSIONS,
    auth: 'required',
    operationId: 'getPresence',
    handler: (request) => {
      const { userId: observer } = request.requester;
      const target = request.params['userId'];
      if (!isUserId(target)) throw new MatrixError(400, 'M_INVALID_PARAM', 'The path does not name a user id');
      if (presence.mode === 'disabled') return OFFLINE;
      const answer = (status: string | null): RawJson => {
        if (status !== null) return new RawJson(status);
        throw new MatrixError(403, 'M_FORBIDDEN', 'You may not see the presence of this user');
      };
      const status = presence.statusFor(observer, target);
      return status instanceof Promise ? status.then(answer) : answer(status);
    },
  };
}
