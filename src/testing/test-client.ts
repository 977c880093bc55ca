/**
 * A client as presence sees it: it syncs, and when it polls it is told what is new and polls again.
 */
import type { PresenceCursor } from '../core/engine-api.ts';
import type { DeviceId, UserId } from '../matrix/identifiers.ts';
import type { PresenceState } from '../matrix/presence-state.ts';
import { Form, type PresenceHandler, type SyncSession } from '../presence/index.ts';
import type { ReceivedPresence } from './module-harness.ts';

export class TestClient {
  readonly #presence: PresenceHandler;
  readonly #userId: UserId;
  readonly #deviceId: DeviceId;
  #cursor: PresenceCursor | null = null;
  #session: SyncSession | null = null;
  #isBusy = false;
  #isWoken = false;
  /** New room mates, whose state the next sync tells in any case. */
  readonly #extras = new Set<UserId>();
  /** Who has left a room with this user, or the other way round. */
  readonly #lost = new Set<UserId>();
  readonly #received: ReceivedPresence[] = [];

  constructor(presence: PresenceHandler, userId: UserId, deviceId: DeviceId) {
    this.#presence = presence;
    this.#userId = userId;
    this.#deviceId = deviceId;
  }

  get received(): readonly ReceivedPresence[] {
    return [...this.#received];
  }

  clear(): void {
    this.#received.length = 0;
  }

  addRoomMates(users: Iterable<UserId>): void {
    for (const userId of users) this.#extras.add(userId);
  }

  loseRoomMates(users: Iterable<UserId>): void {
    for (const userId of users) this.#lost.add(userId);
  }

  /** One sync that does not wait. */
  async sync(fullState = false): Promise<readonly ReceivedPresence[]> {
    if (fullState) this.#cursor = null;
    const session = await this.#begin();
    const found = this.#collect();
    session.end();
    return found;
  }

  /** Syncs, and polls from then on. */
  async poll(): Promise<void> {
    if (this.#isBusy || this.#session !== null) return;
    this.#isBusy = true;
    try {
      this.#session = await this.#begin();
      this.#received.push(...this.#collect());
    } finally {
      this.#isBusy = false;
    }
    await this.wake();
  }

  /** There may be something new: takes it, and polls again. */
  async wake(): Promise<void> {
    this.#isWoken = true;
    if (this.#isBusy) return;
    this.#isBusy = true;
    try {
      while (this.#isWoken && this.#session !== null) {
        this.#isWoken = false;
        const found = this.#collect();
        if (found.length === 0) continue;
        this.#received.push(...found);
        this.#session.end();
        this.#session = await this.#begin();
        this.#isWoken = true;
      }
    } finally {
      this.#isBusy = false;
    }
  }

  stop(): void {
    this.#session?.end();
    this.#session = null;
  }

  async #begin(): Promise<SyncSession> {
    const isWhole = this.#cursor === null;
    const options = { setPresence: 'offline', explicit: false, rateLimited: false, isWhole } as const;
    return this.#presence.beginSync(this.#userId, this.#deviceId, options);
  }

  #collect(): ReceivedPresence[] {
    const { uids, forms, next } = this.#presence.collect(this.#userId, {
      since: this.#cursor,
      includeOffline: false,
      // An initial sync tells of everybody who is not offline, new or not.
      extras: this.#cursor === null ? [] : [...this.#extras],
      lost: this.#cursor === null ? [] : [...this.#lost],
      accept: null,
      limit: null,
    });
    this.#extras.clear();
    this.#lost.clear();
    this.#cursor = next;
    return uids.map((uid, index) => readEvent(this.#presence.eventBody(uid, forms?.[index] ?? Form.FULL)));
  }
}

/** What a client makes of `{"type":"m.presence","sender":…,"content":{…}}`. */
function readEvent(body: string): ReceivedPresence {
  const { sender, content } = JSON.parse(body) as { sender: UserId; content: PresenceContent };
  return readContent(sender, content);
}

export interface PresenceContent {
  readonly presence: PresenceState;
  readonly status_msg?: string;
  readonly currently_active?: boolean;
}

export function readContent(userId: UserId, content: PresenceContent): ReceivedPresence {
  const { presence: state, status_msg: statusMsg = null, currently_active: currentlyActive = false } = content;
  return { userId, state, statusMsg, currentlyActive };
}
