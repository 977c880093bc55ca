/**
 * GET /versions: what of the specification this server speaks.
 */
import { RawJson, type Route } from '../route.ts';

export interface GetVersionsServices {
  /** `experimental_features.msc3026_enabled`. */
  readonly busyEnabled: boolean;
}

/** Clients look for the newest they know, and old ones for `r0.6.1`. */
const VERSIONS = [
  'r0.6.1',
  'v1.1',
  'v1.2',
  'v1.3',
  'v1.4',
  'v1.5',
  'v1.6',
  'v1.7',
  'v1.8',
  'v1.9',
  'v1.10',
  'v1.11',
] as const;

export function getVersions({ busyEnabled }: GetVersionsServices): Route {
  const answer = new RawJson(
    JSON.stringify({ versions: VERSIONS, unstable_features: { 'org.matrix.msc3026.busy_presence': busyEnabled } }),
  );
  return {
    method: 'GET',
    path: '/versions',
    versions: [''],
    auth: 'none',
    operationId: 'getVersions',
    handler: () => answer,
  };
}
