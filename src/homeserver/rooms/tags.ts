/**
 * Tags of a user's rooms: room account data of the type `m.tag`, changed one tag at a time.
 *
 * Source: Matrix specification, client-server API, "Room Tagging".
 */
import { MatrixError } from '../../matrix/errors.ts';
import type { RoomId, UserId } from '../../matrix/identifiers.ts';
import { isJsonObject, type JsonObject } from '../../matrix/json-object.ts';
import { RoomLock } from './room-lock.ts';

const TAG_TYPE = 'm.tag';
const MAX_TAG_BYTES = 255;
/** Tags of one room. */
const MAX_TAGS = 1_000;

/** The part of the accounts that keeps the tags. */
export interface TagStore {
  find(userId: UserId, roomId: RoomId, type: string): Promise<JsonObject | null>;
  setRoomAccountData(userId: UserId, roomId: RoomId, type: string, content: JsonObject): Promise<void>;
}

export class Tags {
  readonly #store: TagStore;
  /** Two changes at once would lose one of them. */
  readonly #lock = new RoomLock();

  constructor(store: TagStore) {
    this.#store = store;
  }

  async list(userId: UserId, roomId: RoomId): Promise<JsonObject> {
    const content = await this.#store.find(userId, roomId, TAG_TYPE);
    const tags = content?.['tags'];
    return isJsonObject(tags) ? tags : {};
  }

  /** @throws MatrixError 400 M_INVALID_PARAM for a name that is too long, 413 M_TOO_LARGE beyond 1,000 tags */
  async set(userId: UserId, roomId: RoomId, tag: string, content: JsonObject): Promise<void> {
    if (tag === '' || Buffer.byteLength(tag) > MAX_TAG_BYTES) {
      throw new MatrixError(400, 'M_INVALID_PARAM', `A tag has 1 to ${MAX_TAG_BYTES} bytes`);
    }
    await this.#change(userId, roomId, (tags) => {
      tags.set(tag, content);
      if (tags.size > MAX_TAGS) throw new MatrixError(413, 'M_TOO_LARGE', `A room has at most ${MAX_TAGS} tags`);
    });
  }

  /** Harmless when there is no such tag. */
  async remove(userId: UserId, roomId: RoomId, tag: string): Promise<void> {
    await this.#change(userId, roomId, (tags) => tags.delete(tag));
  }

  #change(userId: UserId, roomId: RoomId, apply: (tags: Map<string, unknown>) => unknown): Promise<void> {
    return this.#lock.run(`${userId} ${roomId}`, async () => {
      const tags = new Map(Object.entries(await this.list(userId, roomId)));
      apply(tags);
      await this.#store.setRoomAccountData(userId, roomId, TAG_TYPE, { tags: Object.fromEntries(tags) });
    });
  }
}
