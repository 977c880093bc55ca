/**
 * GET /_matrix/federation/v1/version: what software this is. Nobody needs to sign for it. Source: S-S API "Server implementation".
 */
import { RawJson, type Route } from '../route.ts';
import { FEDERATION_V1 } from './paths.ts';

export function getVersion({ version }: { readonly version: string }): Route {
  const answer = new RawJson(JSON.stringify({ server: { name: 'Thalamus', version } }));
  return { ...FEDERATION_V1, method: 'GET', path: '/version', operationId: 'getVersion', handler: () => answer };
}
