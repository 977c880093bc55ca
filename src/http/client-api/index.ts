/**
 * The operations of the client-server API that this server answers; everything else is `M_UNRECOGNIZED`.
 *
 * One line an operation (or a tight family of them), in the order of the specification's chapters.
 */
import type { Route } from '../route.ts';

/** What the operations need, together. Each operation takes only its part. */
export interface ClientApiServices {}

/** Every route of the client-server API. */
export function clientApiRoutes(_services: ClientApiServices): Route[] {
  return [];
}
