/**
 * What the operations of the server-server API have in common.
 */
import type { Route } from '../route.ts';

/** Under `/_matrix/federation/v1`, for other servers: access tokens are not looked at. */
export const FEDERATION_V1 = {
  prefix: '/_matrix/federation/v1',
  versions: [],
  auth: 'none',
  resource: 'federation',
} as const satisfies Partial<Route>;
