/**
 * GET /.well-known/matrix/server: sends other servers to port 443, where clients come already, instead of port 8448.
 *
 * On listeners with `client`, if `serve_server_wellknown` says so. Source: S-S API "Resolving server names".
 */
import type { ServerName } from '../../matrix/identifiers.ts';
import { RawJson, type Route } from '../route.ts';

export interface WellKnownServerServices {
  readonly serverName: ServerName;
  readonly publicBaseurl: string;
}

export function wellKnownServer(services: WellKnownServerServices): Route {
  const answer = new RawJson(JSON.stringify({ 'm.server': delegatedServer(services) }));
  return {
    method: 'GET',
    path: '/server',
    prefix: '/.well-known/matrix',
    versions: [],
    auth: 'none',
    operationId: 'wellKnownServer',
    handler: () => answer,
  };
}

/** Host and port of the public base URL if that is HTTPS, else the server's own name at 443. */
function delegatedServer({ publicBaseurl, serverName }: WellKnownServerServices): string {
  const url = URL.canParse(publicBaseurl) ? new URL(publicBaseurl) : null;
  if (url?.protocol === 'https:') return `${url.hostname}:${url.port === '' ? '443' : url.port}`;
  return `${serverName.replace(/:\d+$/, '')}:443`;
}
