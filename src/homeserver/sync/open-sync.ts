/**
 * One /sync request from its checked parameters to the text of its answer: computing, waiting, computing again.
 *
 * A poll that presence alone has woken never asks the database: the notifier knows that the rooms are not newer than the
 * client's token. What a filter leaves out does not end a poll. However a request ends, its presence session ends. Where
 * nothing has to be waited for nothing is, and no promise is made: this runs for everybody who sees a change.
 */
import { Form, type SyncSession } from '../../presence/index.ts';
import type { Subscription, WaitListener, WaitResult } from '../notifier.ts';
import { gatherRoomPart } from './room-part.ts';
import { clampStreamToken, type PresencePosition, printStreamToken, type StreamToken } from './stream-token.ts';
import type { SharedAnswer } from './shared-answer.ts';
import { isEmptyRoomPart, renderSyncResponse, type RoomPart } from './sync-response.ts';
import type { SyncCaller, SyncRequest, SyncServices } from './sync-service.ts';

/** Where a computation got to, and what it found; `text` is null when that was nothing. */
interface Step {
  readonly next: StreamToken;
  readonly text: string | null;
}

const NOBODY: readonly never[] = [];

export class OpenSync implements WaitListener {
  readonly #services: SyncServices;
  readonly #shared: SharedAnswer;
  readonly #request: SyncRequest;
  readonly #session: SyncSession;
  readonly #caller: SyncCaller;
  /** Null when the request is answered whatever there is. */
  #subscription: Subscription | null = null;
  #deadlineTs = 0;
  #reached: StreamToken | null = null;

  constructor(
    services: SyncServices,
    shared: SharedAnswer,
    request: SyncRequest,
    session: SyncSession,
    caller: SyncCaller,
  ) {
    this.#services = services;
    this.#shared = shared;
    this.#request = request;
    this.#session = session;
    this.#caller = caller;
  }

  start(): void {
    const { clock, notifier } = this.#services;
    const { since, fullState, timeoutMs, userId } = this.#request;
    try {
      if (since !== null && !fullState && timeoutMs > 0) {
        this.#deadlineTs = clock.now() + timeoutMs;
        // Before computing: what happens meanwhile must not be missed.
        this.#subscription = notifier.subscribe(userId);
      }
      this.#follow(this.#first());
    } catch (error) {
      this.#fail(error);
    }
  }

  waitEnded(result: WaitResult): void {
    const reached = this.#reached;
    if (reached === null) return;
    if (result !== 'woken') {
      this.#answer(this.#shared.render(reached, ''));
      return;
    }
    try {
      this.#follow(this.#compute(reached, false));
    } catch (error) {
      this.#fail(error);
    }
  }

  #follow(step: Step | Promise<Step>): void {
    if (step instanceof Promise) {
      step.then(
        (computed) => {
          this.#take(computed);
        },
        (error: unknown) => {
          this.#fail(error);
        },
      );
    } else {
      this.#take(step);
    }
  }

  /** Answers with what was found, or waits for more. */
  #take(step: Step): void {
    const subscription = this.#subscription;
    if (step.text !== null || subscription === null) {
      this.#answer(step.text ?? this.#shared.render(step.next, ''));
      return;
    }
    if (this.#reached === null) {
      this.#caller.onAborted(() => {
        subscription.abort();
      });
    }
    this.#reached = step.next;
    subscription.wait(this.#deadlineTs, this);
  }

  #answer(text: string): void {
    this.#end();
    this.#caller.answered(text);
  }

  #fail(error: unknown): void {
    this.#end();
    this.#caller.failed(error);
  }

  #end(): void {
    this.#subscription?.dispose();
    this.#session.end();
  }

  /** The first computation: the token may be from the future, and everything may be asked for. */
  #first(): Step | Promise<Step> {
    const { notifier, presence, rooms } = this.#services;
    const { since, fullState } = this.#request;
    if (
      since === null ||
      (since.position <= notifier.newestPosition &&
        since.presence.position <= presence.position &&
        since.typing <= rooms.typingSerial())
    ) {
      return this.#compute(since, fullState);
    }
    return this.#clampAndCompute(since);
  }

  async #clampAndCompute(since: StreamToken): Promise<Step> {
    const { presence, rooms } = this.#services;
    const newest = {
      position: await rooms.position(),
      presence: { position: presence.position, resume: null },
      typing: rooms.typingSerial(),
    };
    return await this.#compute(clampStreamToken(since, newest), this.#request.fullState);
  }

  /** Everything after `since`, at once when only presence can be new. */
  #compute(since: StreamToken | null, fullState: boolean): Step | Promise<Step> {
    const { notifier } = this.#services;
    const { userId } = this.#request;
    if (
      since !== null &&
      !fullState &&
      notifier.lastPosition(userId) <= since.position &&
      notifier.lastTypingSerial(userId) <= since.typing
    ) {
      return this.#finish(since.presence, since, null);
    }
    return this.#computeRooms(since, fullState);
  }

  async #computeRooms(since: StreamToken | null, fullState: boolean): Promise<Step> {
    const { rooms, accounts } = this.#services;
    const typing = rooms.typingSerial();
    const position = await rooms.position();
    const { userId, deviceId, filter } = this.#request;
    const part = await gatherRoomPart(rooms, accounts, { userId, deviceId, since, upTo: position, fullState, filter });
    return this.#finish(fullState || since === null ? null : since.presence, { position, typing }, part);
  }

  /**
   * Adds presence, which is never older than the rooms: who is new in a room is visible by now.
   *
   * @param since - null for a snapshot
   */
  #finish(
    since: PresencePosition | null,
    reached: { readonly position: number; readonly typing: number },
    part: RoomPart | null,
  ): Step {
    const { presence, includeOfflineUsers } = this.#services;
    const { filter, userId } = this.#request;
    let events = '';
    let cursor: PresencePosition;
    if (filter.presence.isEmpty) {
      // What an earlier limit left owed stays owed, however long it is filtered out.
      cursor = since !== null && since.resume !== null ? since : { position: presence.position, resume: null };
    } else {
      const isIncrement = part !== null && since !== null;
      const { uids, forms, next } = presence.collect(userId, {
        since,
        includeOffline: includeOfflineUsers,
        extras: isIncrement ? [...part.changes.newlyVisibleUsers] : NOBODY,
        lost: isIncrement ? [...part.changes.lostUsers] : NOBODY,
        accept: filter.presence.acceptsSender,
        limit: filter.presence.limit,
      });
      cursor = next;
      for (let index = 0; index < uids.length; index++) {
        const body = presence.eventBody(uids[index] as number, forms === null ? Form.FULL : (forms[index] as Form));
        events += index === 0 ? body : `,${body}`;
      }
    }
    const next: StreamToken = { position: reached.position, presence: cursor, typing: reached.typing };
    const isSilent = events === '' && (part === null || isEmptyRoomPart(part));
    if (isSilent) return { next, text: null };
    const text =
      part === null ? this.#shared.render(next, events) : renderSyncResponse(printStreamToken(next), events, part);
    return { next, text };
  }
}
