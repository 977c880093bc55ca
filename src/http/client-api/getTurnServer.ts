/**
 * GET /voip/turnServer: there is none, which clients take as "calls only where they work without".
 */
import { type Route, STABLE_VERSIONS } from '../route.ts';

export function getTurnServer(): Route {
  return {
    method: 'GET',
    path: '/voip/turnServer',
    versions: STABLE_VERSIONS,
    auth: 'required',
    operationId: 'getTurnServer',
    handler: () => ({}),
  };
}
