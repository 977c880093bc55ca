/**
 * Reading what a room is now, or was when the reader left: state, members, aliases.
 *
 * Source: Matrix specification, client-server API, "Getting events for a room".
 */
import { MatrixError } from '../../matrix/errors.ts';
import type { RoomAlias, RoomId, UserId } from '../../matrix/identifiers.ts';
import type { Clock } from '../../ports/clock.ts';
import type { JsonObject, RoomStore } from '../../ports/room-store.ts';
import type { ClientEvent } from './client-event.ts';
import { type Reader, toClientEvent } from './render-event.ts';
import { checkJoined, checkStateAccess } from './room-access.ts';

export interface MembersQuery {
  /** Position between two events; null: now. */
  readonly at: number | null;
  readonly membership: string | null;
  readonly notMembership: string | null;
}

export class RoomReader {
  readonly #store: RoomStore;
  readonly #clock: Clock;

  constructor(store: RoomStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  async state(reader: Omit<Reader, 'now'>, roomId: RoomId): Promise<readonly ClientEvent[]> {
    const at = await checkStateAccess(this.#store, roomId, reader.userId);
    const events = await this.#store.readState(roomId, { kind: 'all' }, at);
    return events.map((event) => toClientEvent(event, { ...reader, now: this.#clock.now() }));
  }

  /** One state event. 404 M_NOT_FOUND when the room has none of that key. */
  async stateEvent(
    reader: Omit<Reader, 'now'>,
    roomId: RoomId,
    [type, stateKey]: readonly [string, string],
  ): Promise<ClientEvent> {
    const at = await checkStateAccess(this.#store, roomId, reader.userId);
    const [event] = await this.#store.readState(roomId, { kind: 'keys', keys: [[type, stateKey]] }, at);
    if (event === undefined) throw new MatrixError(404, 'M_NOT_FOUND', `The room has no ${type} with that state key`);
    return toClientEvent(event, { ...reader, now: this.#clock.now() });
  }

  async members(reader: Omit<Reader, 'now'>, roomId: RoomId, query: MembersQuery): Promise<readonly ClientEvent[]> {
    const readable = await checkStateAccess(this.#store, roomId, reader.userId);
    const at = query.at === null || readable === null ? (query.at ?? readable) : Math.min(query.at, readable);
    const events = await this.#store.readState(roomId, { kind: 'type', type: 'm.room.member' }, at);
    const now = this.#clock.now();
    return events
      .filter(({ content: { membership } }) => {
        if (query.membership === null && query.notMembership === null) return true;
        // Both together: a member who matches either, as the specification has it.
        if (query.membership !== null && membership === query.membership) return true;
        return query.notMembership !== null && membership !== query.notMembership;
      })
      .map((event) => toClientEvent(event, { ...reader, now }));
  }

  /** Who is joined now, with their profiles in this room. Only for somebody who is, too. */
  async joinedMembers(userId: UserId, roomId: RoomId): Promise<Readonly<Record<UserId, JsonObject>>> {
    await checkJoined(this.#store, roomId, userId);
    const joined: Record<UserId, JsonObject> = {};
    for (const { stateKey, content } of await this.#store.readState(
      roomId,
      { kind: 'type', type: 'm.room.member' },
      null,
    )) {
      if (content['membership'] !== 'join') continue;
      const { displayname, avatar_url: avatarUrl } = content;
      joined[stateKey as UserId] = {
        ...(typeof displayname === 'string' ? { display_name: displayname } : {}),
        ...(typeof avatarUrl === 'string' ? { avatar_url: avatarUrl } : {}),
      };
    }
    return joined;
  }

  /** The aliases of a room, for those who may read its state. */
  async aliases(userId: UserId, roomId: RoomId): Promise<readonly RoomAlias[]> {
    await checkStateAccess(this.#store, roomId, userId);
    return this.#store.listAliases(roomId);
  }
}
