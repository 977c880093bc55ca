/**
 * GET /sync: checks the parameters, asks the rate limit, and leaves the rest to the sync service.
 *
 * Nothing happens to presence before every parameter is known to be good. Over the limit, the request is answered all
 * the same and only its claim is ignored. Source: Matrix specification, client-server API, "Syncing".
 */
import { StreamTokenReader } from '../../homeserver/sync/stream-token.ts';
import type { SyncFilter } from '../../homeserver/sync/filter.ts';
import type { SyncFilters } from '../../homeserver/sync/filters.ts';
import type { SyncCaller, SyncRequest, SyncService } from '../../homeserver/sync/sync-service.ts';
import { MatrixError } from '../../matrix/errors.ts';
import { isPlainQuery, readQuery } from '../lean-query.ts';
import { booleanParam, integerParam } from '../parse-body.ts';
import type { RateLimiter } from '../rate-limit.ts';
import { type ClientRequest, LATER, RawJson, type Route, STABLE_VERSIONS } from '../route.ts';

export interface SyncRouteServices {
  readonly sync: Pick<SyncService, 'sync'>;
  readonly syncFilters: Pick<SyncFilters, 'resolve'>;
  /** `rc_presence.per_user`; PUT has its own. */
  readonly syncPresenceLimit: Pick<RateLimiter, 'take'>;
  /** Longest time a request waits, whatever the client asks for: a client that vanished without a word looks present so long. @default 5 min */
  readonly maxSyncTimeoutMs?: number;
}

const DEFAULT_MAX_TIMEOUT_MS = 300_000;

export function sync(services: SyncRouteServices): Route {
  const { sync, syncFilters, syncPresenceLimit, maxSyncTimeoutMs = DEFAULT_MAX_TIMEOUT_MS } = services;
  const tokens = new StreamTokenReader();
  const start = (request: ClientRequest, query: QueryReader, filter: SyncFilter): typeof LATER => {
    const { userId, deviceId } = request.requester;
    const since = query.get('since');
    const claimed = query.get('set_presence');
    const syncRequest: SyncRequest = {
      userId,
      deviceId,
      since: since === null ? null : tokens.read(since),
      filter,
      fullState: query.get('full_state') !== null && booleanParam(request, 'full_state', false),
      timeoutMs: Math.min(parseTimeout(query.get('timeout'), request), maxSyncTimeoutMs),
      setPresence: parseSetPresence(claimed),
      explicit: claimed !== null,
      rateLimited: syncPresenceLimit.take(userId) > 0,
    };
    sync.sync(syncRequest, new HttpSyncCaller(request));
    return LATER;
  };
  return {
    method: 'GET',
    path: '/sync',
    versions: STABLE_VERSIONS,
    auth: 'required',
    operationId: 'sync',
    handler: (request) => {
      const query = queryOf(request);
      const filter = syncFilters.resolve(request.requester.userId, query.get('filter'));
      return filter instanceof Promise
        ? filter.then((loaded) => start(request, query, loaded))
        : start(request, query, filter);
    },
  };
}

class HttpSyncCaller implements SyncCaller {
  readonly #request: ClientRequest;

  constructor(request: ClientRequest) {
    this.#request = request;
  }

  answered(text: string): void {
    this.#request.answer(new RawJson(text));
  }

  failed(error: unknown): void {
    this.#request.fail(error);
  }

  onAborted(listener: () => void): void {
    this.#request.onAborted(listener);
  }
}

interface QueryReader {
  get(name: string): string | null;
}

/** Polls ask for five parameters of a short query that has nothing encoded in it. */
function queryOf(request: ClientRequest): QueryReader {
  const { rawQuery } = request;
  return isPlainQuery(rawQuery) ? { get: (name) => readQuery(rawQuery, name) } : request.query;
}

function parseTimeout(text: string | null, request: ClientRequest): number {
  if (text === null) return 0;
  // A value that is wrong goes where wrong values get their words.
  return /^[0-9]{1,15}$/.test(text) ? Number(text) : integerParam(request, 'timeout', 0);
}

function parseSetPresence(claimed: string | null): SyncRequest['setPresence'] {
  if (claimed === null) return 'online';
  if (claimed === 'online' || claimed === 'unavailable' || claimed === 'offline') return claimed;
  throw new MatrixError(
    400,
    'M_INVALID_PARAM',
    "Query parameter 'set_presence' must be one of online, unavailable and offline",
  );
}
