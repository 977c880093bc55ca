/**
 * One /sync request from its checked parameters to the text of its answer: presence, rooms, account data, and waiting.
 *
 * A poll that presence alone has woken never asks the database: the notifier knows that the rooms are not newer than the
 * client's token. What a filter leaves out does not end a poll. However a request ends, its presence session ends.
 * Source: Matrix specification, client-server API, "Syncing"; behaviour of the reference server in presence.
 */
import type { DeviceId, UserId } from '../../matrix/identifiers.ts';
import type { Clock } from '../../ports/clock.ts';
import type { PresenceHandler } from '../../presence/index.ts';
import type { Notifier, Subscription } from '../notifier.ts';
import type { RoomSync } from '../rooms/room-sync.ts';
import type { AccountSync } from './account-data-sync.ts';
import type { SyncFilter } from './filter.ts';
import { gatherRoomPart } from './room-part.ts';
import { clampStreamToken, type PresencePosition, printStreamToken, type StreamToken } from './stream-token.ts';
import { isEmptyRoomPart, renderSyncResponse, type RoomPart } from './sync-response.ts';

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
  /** Calls the listener when the client is gone or the server stops; asked for only when the request has to wait. */
  onAborted(listener: () => void): void;
}

/** Where the computation got to, and what it found; `text` is null when that was nothing. */
interface Step {
  readonly next: StreamToken;
  readonly text: string | null;
}

export class SyncService {
  readonly #services: SyncServices;

  constructor(services: SyncServices) {
    this.#services = services;
  }

  /** Resolves with the response's JSON. Rejects with PortError when the database fails. */
  async sync(request: SyncRequest): Promise<string> {
    const { notifier, presence, clock } = this.#services;
    const { userId, deviceId } = request;
    const started = presence.beginSync(userId, deviceId, request);
    const session = started instanceof Promise ? await started : started;
    let subscription: Subscription | null = null;
    try {
      if (request.since === null || request.fullState || request.timeoutMs <= 0) {
        const only = this.#first(request);
        const { next, text } = only instanceof Promise ? await only : only;
        return text ?? renderSyncResponse(printStreamToken(next), '', null);
      }
      const deadlineTs = clock.now() + request.timeoutMs;
      // Before computing: what happens meanwhile must not be missed.
      subscription = notifier.subscribe(userId);
      const first = this.#first(request);
      let step = first instanceof Promise ? await first : first;
      let isListening = false;
      while (step.text === null) {
        if (!isListening) {
          request.onAborted(abortOf(subscription));
          isListening = true;
        }
        if ((await subscription.wait(deadlineTs - clock.now())) !== 'woken') {
          return renderSyncResponse(printStreamToken(step.next), '', null);
        }
        const following = this.#compute(request, step.next, false);
        step = following instanceof Promise ? await following : following;
      }
      return step.text;
    } finally {
      subscription?.dispose();
      session.end();
    }
  }

  /** The first computation of a request: its token may be from the future, and it may ask for everything. */
  #first(request: SyncRequest): Step | Promise<Step> {
    const { notifier, presence, rooms } = this.#services;
    const { since, fullState } = request;
    if (
      since === null ||
      (since.position <= notifier.newestPosition &&
        since.presence.position <= presence.position &&
        since.typing <= rooms.typingSerial())
    ) {
      return this.#compute(request, since, fullState);
    }
    return this.#clampAndCompute(request, since);
  }

  async #clampAndCompute(request: SyncRequest, since: StreamToken): Promise<Step> {
    const { presence, rooms } = this.#services;
    const newest = {
      position: await rooms.position(),
      presence: { position: presence.position, resume: null },
      typing: rooms.typingSerial(),
    };
    return await this.#compute(request, clampStreamToken(since, newest), request.fullState);
  }

  /** Everything after `since`, at once when only presence can be new. */
  #compute(request: SyncRequest, since: StreamToken | null, fullState: boolean): Step | Promise<Step> {
    const { notifier } = this.#services;
    if (
      since !== null &&
      !fullState &&
      notifier.lastPosition(request.userId) <= since.position &&
      notifier.lastTypingSerial(request.userId) <= since.typing
    ) {
      return this.#finish(request, since, since, null);
    }
    return this.#computeRooms(request, since, fullState);
  }

  async #computeRooms(request: SyncRequest, since: StreamToken | null, fullState: boolean): Promise<Step> {
    const { rooms, accounts } = this.#services;
    const typing = rooms.typingSerial();
    const position = await rooms.position();
    const { userId, deviceId, filter } = request;
    const part = await gatherRoomPart(rooms, accounts, { userId, deviceId, since, upTo: position, fullState, filter });
    return this.#finish(request, fullState ? null : since, { position, typing }, part);
  }

  /** Adds presence, which is never older than the rooms: who is new in a room is visible by now. */
  #finish(
    request: SyncRequest,
    presenceSince: StreamToken | null,
    reached: { readonly position: number; readonly typing: number },
    part: RoomPart | null,
  ): Step {
    const { presence, includeOfflineUsers } = this.#services;
    const { filter, userId } = request;
    let events = '';
    let cursor: PresencePosition = { position: presence.position, resume: null };
    if (filter.presence.isEmpty) {
      // What an earlier limit left owed stays owed, however long it is filtered out.
      if (presenceSince !== null && presenceSince.presence.resume !== null) cursor = presenceSince.presence;
    } else {
      const collection = presence.collect(userId, {
        since: presenceSince === null ? null : presenceSince.presence,
        includeOffline: includeOfflineUsers,
        extras: part === null || presenceSince === null ? [] : [...part.changes.newlyVisibleUsers],
        accept: filter.presence.acceptsSender,
        limit: filter.presence.limit,
      });
      cursor = collection.next;
      for (const uid of collection.uids) {
        events += events === '' ? presence.eventBody(uid) : `,${presence.eventBody(uid)}`;
      }
    }
    const next: StreamToken = { position: reached.position, presence: cursor, typing: reached.typing };
    const isSilent = events === '' && (part === null || isEmptyRoomPart(part));
    return { next, text: isSilent ? null : renderSyncResponse(printStreamToken(next), events, part) };
  }
}

function abortOf(subscription: Subscription): () => void {
  return () => {
    subscription.abort();
  };
}
