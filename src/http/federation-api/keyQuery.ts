/**
 * POST /_matrix/key/v2/query and GET /_matrix/key/v2/query/{serverName}: other servers' keys, as a key server tells them.
 *
 * Key ids in the question do not matter: a server's document is told as a whole. Servers whose keys cannot be had are missing
 * from the answer. Source: Matrix specification, server-server API, "Querying Keys Through Another Server".
 */
import { z } from 'zod';
import type { KeyNotary } from '../../federation/keys/key-notary.ts';
import { MatrixError } from '../../matrix/errors.ts';
import { isServerName, type ServerName } from '../../matrix/identifiers.ts';
import { integerParam, parseBody } from '../parse-body.ts';
import { RawJson, type Route } from '../route.ts';
import { KEY_PREFIX } from './getServerKey.ts';

export interface KeyQueryServices {
  readonly notary: Pick<KeyNotary, 'query'>;
}

/** A question can cost that many fetches, and the answer that many documents. */
const MAX_SERVERS = 20;
const MAX_KEYS_PER_SERVER = 100;

const criteria = z.looseObject({ minimum_valid_until_ts: z.int().optional() });
const question = z.looseObject({ server_keys: z.record(z.string(), z.record(z.string(), criteria)) });

const route = {
  prefix: KEY_PREFIX,
  versions: [],
  auth: 'none',
  resource: 'federation',
} as const satisfies Partial<Route>;

export function keyQuery({ notary }: KeyQueryServices): readonly Route[] {
  const answer = async (servers: ReadonlyMap<ServerName, number | null>): Promise<RawJson> => {
    return new RawJson(`{"server_keys":[${(await notary.query(servers)).join(',')}]}`);
  };
  return [
    {
      ...route,
      method: 'POST',
      path: '/query',
      operationId: 'bulkPerspectivesKeyQuery',
      handler: (request) => answer(readServers(parseBody(question, request).server_keys)),
    },
    ...['/query/:serverName', '/query/:serverName/:keyId'].map((path) => ({
      ...route,
      method: 'GET' as const,
      path,
      operationId: 'perspectivesKeyQuery',
      handler: (request: Parameters<Route['handler']>[0]) => {
        const { serverName } = request.params;
        if (!isServerName(serverName)) throw new MatrixError(400, 'M_INVALID_PARAM', 'The path does not name a server');
        return answer(new Map([[serverName, integerParam(request, 'minimum_valid_until_ts', null)]]));
      },
    })),
  ];
}

type Criteria = Readonly<Record<string, { readonly minimum_valid_until_ts?: number | undefined }>>;

/** By server, the latest of the times that are asked for. */
function readServers(asked: Readonly<Record<string, Criteria>>): ReadonlyMap<ServerName, number | null> {
  const servers = Object.entries(asked);
  if (servers.length > MAX_SERVERS) {
    throw new MatrixError(400, 'M_INVALID_PARAM', `'server_keys' may name at most ${MAX_SERVERS} servers`);
  }
  return new Map(
    servers.map(([server, keys]) => {
      if (!isServerName(server))
        throw new MatrixError(400, 'M_INVALID_PARAM', "'server_keys' has an invalid server name");
      const times = Object.values(keys).flatMap(({ minimum_valid_until_ts: ts }) => (ts === undefined ? [] : [ts]));
      if (Object.keys(keys).length > MAX_KEYS_PER_SERVER) {
        throw new MatrixError(
          400,
          'M_INVALID_PARAM',
          `'server_keys' may name at most ${MAX_KEYS_PER_SERVER} keys a server`,
        );
      }
      return [server, times.length === 0 ? null : Math.max(...times)];
    }),
  );
}
