/**
 * The operations of the client-server API that this server answers; everything else is `M_UNRECOGNIZED`.
 */
import type { RateLimits } from '../rate-limits.ts';
import type { Route } from '../route.ts';
import { accountRoutes, type AccountRoutesServices } from './account-routes.ts';
import { getPresence } from './getPresence.ts';
import { getRoomTags } from './getRoomTags.ts';
import { roomRoutes, type RoomRoutesServices } from './room-routes.ts';
import { setPresence, type SetPresenceServices } from './setPresence.ts';
import { sync, type SyncRouteServices } from './sync.ts';

/** What the operations need, together. Each operation takes only its part. */
export interface ClientApiServices
  extends AccountRoutesServices,
    RoomRoutesServices,
    Omit<SetPresenceServices, 'presence' | 'presenceLimit'>,
    Omit<SyncRouteServices, 'syncPresenceLimit'> {
  readonly presence: Parameters<typeof getPresence>[0]['presence'] & SetPresenceServices['presence'];
  readonly limits: RateLimits;
}

/** Every route of the client-server API. */
export function clientApiRoutes(services: ClientApiServices): Route[] {
  const { presenceLimit, syncPresenceLimit } = services.limits;
  return [
    ...accountRoutes(services),
    sync({ ...services, syncPresenceLimit }),
    ...roomRoutes(services),
    ...getRoomTags(services.accounts),
    setPresence({ ...services, presenceLimit }),
    getPresence(services),
  ];
}
