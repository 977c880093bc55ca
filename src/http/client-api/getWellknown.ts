/**
 * GET /.well-known/matrix/client: where clients that only know the server's name find this server.
 */
import { RawJson, type Route } from '../route.ts';

export function getWellknown({ publicBaseurl }: { readonly publicBaseurl: string }): Route {
  const answer = new RawJson(JSON.stringify({ 'm.homeserver': { base_url: publicBaseurl } }));
  return {
    method: 'GET',
    path: '/client',
    prefix: '/.well-known/matrix',
    versions: [],
    auth: 'none',
    operationId: 'getWellknown',
    handler: () => answer,
  };
}
