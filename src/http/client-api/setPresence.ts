/**
 * PUT /presence/{userId}/status: a user sets their own presence.
 *
 * The order of the checks is the reference server's; what is wrong with the body is `M_UNKNOWN`, as there. Answers when
 * the change is durable, and waits for no module. Source: Matrix specification, client-server API, "Presence".
 */
import { MatrixError } from '../../matrix/errors.ts';
import { isUserId } from '../../matrix/identifiers.ts';
import { isPresenceState, PresenceState } from '../../matrix/presence-state.ts';
import type { PresenceHandler } from '../../presence/index.ts';
import { objectBody } from '../parse-body.ts';
import type { RateLimiter } from '../rate-limit.ts';
import { type ClientRequest, RawJson, type Route } from '../route.ts';
import { PRESENCE_VERSIONS } from './getPresence.ts';

export interface SetPresenceServices {
  readonly presence: Pick<PresenceHandler, 'mode' | 'setPresence'>;
  /** `rc_presence.per_user`; /sync has its own. */
  readonly presenceLimit: Pick<RateLimiter, 'take'>;
  /** `experimental_features.msc3026_enabled`. */
  readonly busyEnabled: boolean;
  /** `presence.max_status_msg_bytes`. */
  readonly maxStatusMsgBytes: number;
}

interface Status {
  readonly presence: unknown;
  readonly statusMsg: string | null;
}

const DONE = new RawJson('{}');

export function setPresence(services: SetPresenceServices): Route {
  const { presence, presenceLimit, busyEnabled, maxStatusMsgBytes } = services;
  return {
    method: 'PUT',
    path: '/presence/:userId/status',
    versions: PRESENCE_VERSIONS,
    auth: 'required',
    operationId: 'setPresence',
    handler: (request) => {
      const { requester } = request;
      const userId = request.params['userId'];
      if (userId !== requester.userId) {
        throw isUserId(userId)
          ? new MatrixError(403, 'M_FORBIDDEN', "Only a user's own presence can be set")
          : new MatrixError(400, 'M_INVALID_PARAM', 'The path does not name a user id');
      }
      const retryAfterMs = presenceLimit.take(requester.userId);
      if (retryAfterMs > 0) {
        throw new MatrixError(429, 'M_LIMIT_EXCEEDED', 'Too many changes of presence', {
          retry_after_ms: retryAfterMs,
        });
      }
      const status = parseStatus(request, maxStatusMsgBytes);
      if (presence.mode !== 'tracked') return DONE;
      if (!isPresenceState(status.presence) || (status.presence === PresenceState.BUSY && !busyEnabled)) {
        throw new MatrixError(400, 'M_UNKNOWN', "'presence' must be one of online, unavailable and offline");
      }
      return presence
        .setPresence(requester.userId, requester.deviceId, status.presence, status.statusMsg)
        .then(() => DONE);
    },
  };
}

function parseStatus(request: ClientRequest, maxStatusMsgBytes: number): Status {
  const body = objectBody(request);
  if (!Object.hasOwn(body, 'presence')) throw new MatrixError(400, 'M_UNKNOWN', "'presence' is missing");
  const statusMsg = Object.hasOwn(body, 'status_msg') ? body['status_msg'] : null;
  if (typeof statusMsg !== 'string' && Object.hasOwn(body, 'status_msg')) {
    throw new MatrixError(400, 'M_UNKNOWN', "'status_msg' must be a string");
  }
  for (const key in body) {
    if (key !== 'presence' && key !== 'status_msg') {
      throw new MatrixError(400, 'M_UNKNOWN', "The body has keys other than 'presence' and 'status_msg'");
    }
  }
  if (typeof statusMsg !== 'string') return { presence: body['presence'], statusMsg: null };
  // A character is at most three bytes in UTF-8 per UTF-16 unit, so that most need not be counted.
  if (statusMsg.length * 3 > maxStatusMsgBytes && Buffer.byteLength(statusMsg) > maxStatusMsgBytes) {
    throw new MatrixError(413, 'M_TOO_LARGE', `'status_msg' is longer than ${maxStatusMsgBytes} bytes`);
  }
  return { presence: body['presence'], statusMsg };
}
