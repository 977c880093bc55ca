/**
 * GET /capabilities: what clients may offer their users here.
 */
import { DEFAULT_ROOM_VERSION, ROOM_VERSIONS } from '../../homeserver/rooms/room-versions.ts';
import { RawJson, type Route, STABLE_VERSIONS } from '../route.ts';

export function getCapabilities(): Route {
  const answer = new RawJson(
    JSON.stringify({
      capabilities: {
        'm.change_password': { enabled: true },
        'm.room_versions': {
          default: DEFAULT_ROOM_VERSION,
          available: Object.fromEntries(ROOM_VERSIONS.map((version) => [version, 'stable'])),
        },
        'm.set_displayname': { enabled: true },
        'm.set_avatar_url': { enabled: true },
        'm.3pid_changes': { enabled: false },
        'm.get_login_token': { enabled: false },
      },
    }),
  );
  return {
    method: 'GET',
    path: '/capabilities',
    versions: STABLE_VERSIONS,
    auth: 'required',
    operationId: 'getCapabilities',
    handler: () => answer,
  };
}
