/**
 * What /sync is to the HTTP layer, and what it needs: presence first, so that a first sync contains the user's own `online`.
 *
 * Source: Matrix specification, client-server API, "Syncing"; behaviour of the reference server in presence.
 */
import type { DeviceId, UserId } from '../../matrix/identifiers.ts';
import type { Clock } from '../../ports/clock.ts';
import type { PresenceHandler, SyncSession } from '../../presence/index.ts';
import type { Notifier } from '../notifier.ts';
import type { RoomSync } from '../rooms/room-sync.ts';
import type { AccountSync } from './account-data-sync.ts';
import type { SyncFilter } from './filter.ts';
import { OpenSync } from './open-sync.ts';
import { SharedAnswer } from './shared-answer.ts';
import type { StreamToken } from './stream-token.ts';

export interface SyncServices {
  readonly clock: Clock;
  readonly presence: Pick<PresenceHandler, 'beginSync' | 'collect' | 'eventBody' | 'position'>;
  readonly notifier: Pick<Notifier, 'subscribe' | 'lastPosition' | 'lastTypingSerial' | 'newestPosition'>;
  readonly rooms: RoomSync;
  readonly accounts: AccountSync;
  /** `include_offline_users_on_sync`: offline users in initial and full-state syncs. */
  readonly includeOfflineUsers: boolean;
}

export interface SyncRequest {
  readonly userId: UserId;
  readonly deviceId: DeviceId;
  /** Null: an initial sync. */
  readonly since: StreamToken | null;
  readonly filter: SyncFilter;
  readonly fullState: boolean;
  /** How long to wait for something to tell; 0 for not at all. */
  readonly timeoutMs: number;
  readonly setPresence: 'online' | 'unavailable' | 'offline';
  /** Whether `set_presence` was spelled out. */
  readonly explicit: boolean;
  /** Over `rc_presence`: answered as any other, but the claim has no effect. */
  readonly rateLimited: boolean;
}

/** Who is told, once, how a sync ended. No promise: a thousand polls end in one turn, and each promise is more to collect. */
export interface SyncCaller {
  /** The response's JSON; within `sync` where nothing had to be waited for. */
  answered(text: string): void;
  /** PortError: the database failed. */
  failed(error: unknown): void;
  /** Calls the listener when the client is gone or the server stops; asked for only when the request has to wait. */
  onAborted(listener: () => void): void;
}

/** Answers syncs; between the requests it keeps nothing but the text of the newest answer. */
export class SyncService {
  readonly #services: SyncServices;
  readonly #shared = new SharedAnswer();

  constructor(services: SyncServices) {
    this.#services = services;
  }

  sync(request: SyncRequest, caller: SyncCaller): void {
    const begin = (session: SyncSession): void => {
      new OpenSync(this.#services, this.#shared, request, session, caller).start();
    };
    try {
      const { userId, deviceId, since, fullState } = request;
      const isWhole = since === null || fullState;
      const options = isWhole ? { ...request, isWhole } : request;
      const session = this.#services.presence.beginSync(userId, deviceId, options);
      if (session instanceof Promise) {
        session.then(begin).catch((error: unknown) => {
          caller.failed(error);
        });
      } else begin(session);
    } catch (error) {
      caller.failed(error);
    }
  }
}
