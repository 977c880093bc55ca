/**
 * GET /_matrix/federation/v1/query/profile: a local user's display name and picture, for other servers. Source: S-S API "Querying for
 * information"; what is not set is left out, and so is any field that this server does not have.
 */
import type { Profiles } from '../../homeserver/accounts/profiles.ts';
import { MatrixError } from '../../matrix/errors.ts';
import { isUserId, type ServerName, serverNameOf, type UserId } from '../../matrix/identifiers.ts';
import type { Route } from '../route.ts';
import type { FederationGate } from './federation-gate.ts';
import { FEDERATION_V1 } from './paths.ts';

export interface QueryProfileServices {
  readonly gate: Pick<FederationGate, 'run'>;
  readonly profiles: Pick<Profiles, 'get'>;
  readonly serverName: ServerName;
}

export function queryProfile({ gate, profiles, serverName }: QueryProfileServices): Route {
  const answer = async (userId: UserId, field: string | null): Promise<Record<string, string>> => {
    const { displayname, avatarUrl } = await profiles.get(userId);
    return {
      ...(displayname !== null && (field ?? 'displayname') === 'displayname' && { displayname }),
      ...(avatarUrl !== null && (field ?? 'avatar_url') === 'avatar_url' && { avatar_url: avatarUrl }),
    };
  };
  return {
    ...FEDERATION_V1,
    method: 'GET',
    path: '/query/profile',
    operationId: 'queryProfile',
    handler: (request) =>
      gate.run(
        request,
        () => {
          const userId = request.query.get('user_id');
          if (userId === null) throw new MatrixError(400, 'M_MISSING_PARAM', "Query parameter 'user_id' is missing");
          if (!isUserId(userId)) {
            throw new MatrixError(400, 'M_INVALID_PARAM', "Query parameter 'user_id' is not a user id");
          }
          if (serverNameOf(userId) !== serverName) {
            throw new MatrixError(404, 'M_NOT_FOUND', 'The user is not one of this server');
          }
          return userId;
        },
        (_origin, userId) => answer(userId, request.query.get('field')),
      ),
  };
}
