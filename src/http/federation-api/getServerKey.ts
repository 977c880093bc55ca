/**
 * GET /_matrix/key/v2/server: the keys with which this server signs.
 *
 * The older form with a key id at the end gets the same answer. Source: Matrix specification, server-server API, "Publishing Keys".
 */
import type { OwnKeys } from '../../federation/keys/own-keys.ts';
import { RawJson, type Route } from '../route.ts';

export interface GetServerKeyServices {
  readonly ownKeys: Pick<OwnKeys, 'text'>;
}

export const KEY_PREFIX = '/_matrix/key/v2';

export function getServerKey({ ownKeys }: GetServerKeyServices): readonly Route[] {
  return ['/server', '/server/:keyId'].map((path) => ({
    method: 'GET',
    prefix: KEY_PREFIX,
    path,
    versions: [],
    auth: 'none',
    resource: 'federation',
    operationId: 'getServerKey',
    handler: () => new RawJson(ownKeys.text()),
  }));
}
