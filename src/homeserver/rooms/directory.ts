/**
 * Finding rooms: aliases and the public list.
 *
 * Source: Matrix specification, client-server API, "Room aliases", "Listing rooms". An alias is made by any local user, and
 * taken away by its maker or by somebody who may change the room's `m.room.canonical_alias`.
 */
import { MatrixError } from '../../matrix/errors.ts';
import { isServerName, type RoomAlias, type RoomId, type UserId } from '../../matrix/identifiers.ts';
import type { RoomStore, StateKey, StoredRoom } from '../../ports/room-store.ts';
import { checkJoined } from './room-access.ts';
import { loadRoomState } from './room-state.ts';

const MAX_ALIAS_BYTES = 255;
const MAX_PAGE = 500;
/** Rooms looked through for a search; a server of this kind has few public rooms. */
const MAX_SEARCHED = 5_000;

/** One room of the public list, as the specification has it. */
export interface PublicRoom {
  readonly room_id: RoomId;
  readonly num_joined_members: number;
  readonly world_readable: boolean;
  readonly guest_can_join: boolean;
  readonly name?: string;
  readonly topic?: string;
  readonly canonical_alias?: string;
  readonly avatar_url?: string;
  readonly join_rule?: string;
  readonly room_type?: string;
}

export interface PublicRoomsRequest {
  readonly limit: number | null;
  /** From `next_batch` or `prev_batch`; null: from the start. */
  readonly since: string | null;
  /** Part of a name, topic or alias, whatever the case; null: all. */
  readonly searchTerm: string | null;
}

export interface PublicRoomsResponse {
  readonly chunk: readonly PublicRoom[];
  readonly next_batch?: string;
  readonly prev_batch?: string;
  readonly total_room_count_estimate: number;
}

export class Directory {
  readonly #store: RoomStore;
  readonly #serverName: string;

  constructor(store: RoomStore, serverName: string) {
    this.#store = store;
    this.#serverName = serverName;
  }

  /** The room of a room id or alias in a path, as `/join/…` takes. 404 M_NOT_FOUND for an alias nobody made. */
  async resolve(roomIdOrAlias: string): Promise<RoomId> {
    if (roomIdOrAlias.startsWith('!')) return roomIdOrAlias as RoomId;
    return this.lookUp(this.#parseAlias(roomIdOrAlias));
  }

  async roomOf(alias: string): Promise<RoomId> {
    return this.lookUp(this.#parseAlias(alias));
  }

  /** 409 M_UNKNOWN when the alias exists, 404 M_NOT_FOUND for an unknown room. */
  async addAlias(userId: UserId, text: string, roomId: string): Promise<void> {
    const alias = this.#parseAlias(text);
    if (!alias.endsWith(`:${this.#serverName}`)) {
      throw new MatrixError(400, 'M_INVALID_PARAM', `Aliases made here end in ':${this.#serverName}'`);
    }
    const room = await this.#store.findRoom(roomId as RoomId);
    if (room === null) throw new MatrixError(404, 'M_NOT_FOUND', `There is no room ${roomId}`);
    await checkJoined(this.#store, room.roomId, userId);
    if (!(await this.#store.addAlias(alias, room.roomId, userId))) {
      throw new MatrixError(409, 'M_UNKNOWN', `The alias ${alias} is taken`);
    }
  }

  async removeAlias(userId: UserId, text: string): Promise<void> {
    const alias = this.#parseAlias(text);
    const found = await this.#store.findAlias(alias);
    if (found === null) throw noSuchAlias(alias);
    if (found.creator !== userId) {
      await this.#checkMayChange(found.roomId, userId, 'm.room.canonical_alias', 'remove this alias');
    }
    await this.#store.removeAlias(alias);
  }

  async visibility(roomId: string): Promise<'public' | 'private'> {
    const room = await this.#store.findRoom(roomId as RoomId);
    if (room === null) throw new MatrixError(404, 'M_NOT_FOUND', `There is no room ${roomId}`);
    return room.isPublic ? 'public' : 'private';
  }

  async setVisibility(userId: UserId, roomId: string, visibility: 'public' | 'private'): Promise<void> {
    const room = await this.#store.findRoom(roomId as RoomId);
    if (room === null) throw new MatrixError(404, 'M_NOT_FOUND', `There is no room ${roomId}`);
    await this.#checkMayChange(room.roomId, userId, 'm.room.canonical_alias', 'change who finds this room');
    await this.#store.setPublic(room.roomId, visibility === 'public');
  }

  async publicRooms(request: PublicRoomsRequest): Promise<PublicRoomsResponse> {
    const offset = parseOffset(request.since);
    const limit = Math.min(request.limit ?? MAX_PAGE, MAX_PAGE);
    const total = await this.#store.countPublicRooms();
    const term = request.searchTerm?.toLowerCase() ?? '';
    const rooms =
      term === ''
        ? await Promise.all((await this.#store.listPublicRooms(offset, limit)).map((room) => this.#describe(room)))
        : (await this.#search(term)).slice(offset, offset + limit);
    const seen = offset + rooms.length;
    const isMore = rooms.length === limit && limit > 0 && seen < total;
    return {
      chunk: rooms,
      ...(isMore ? { next_batch: `p${seen}` } : {}),
      ...(offset > 0 ? { prev_batch: `p${Math.max(0, offset - limit)}` } : {}),
      total_room_count_estimate: total,
    };
  }

  async lookUp(alias: RoomAlias): Promise<RoomId> {
    const found = await this.#store.findAlias(alias);
    if (found === null) throw noSuchAlias(alias);
    return found.roomId;
  }

  async #search(term: string): Promise<PublicRoom[]> {
    const found: PublicRoom[] = [];
    for (const room of await this.#store.listPublicRooms(0, MAX_SEARCHED)) {
      const described = await this.#describe(room);
      const words = [described.name, described.topic, described.canonical_alias];
      if (words.some((word) => word?.toLowerCase().includes(term) === true)) found.push(described);
    }
    return found;
  }

  async #describe(room: StoredRoom): Promise<PublicRoom> {
    const events = await this.#store.readState(room.roomId, { kind: 'keys', keys: DESCRIBING }, null);
    const text = (type: string, key: string): string | undefined => {
      const value = events.find((event) => event.type === type)?.content[key];
      return typeof value === 'string' && value !== '' ? value : undefined;
    };
    const optional = {
      name: text('m.room.name', 'name'),
      topic: text('m.room.topic', 'topic'),
      canonical_alias: text('m.room.canonical_alias', 'alias'),
      avatar_url: text('m.room.avatar', 'url'),
      join_rule: text('m.room.join_rules', 'join_rule'),
      room_type: text('m.room.create', 'type'),
    };
    return {
      room_id: room.roomId,
      num_joined_members: room.joinedCount,
      world_readable: text('m.room.history_visibility', 'history_visibility') === 'world_readable',
      guest_can_join: text('m.room.guest_access', 'guest_access') === 'can_join',
      ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)),
    };
  }

  async #checkMayChange(roomId: RoomId, userId: UserId, type: string, what: string): Promise<void> {
    const state = await loadRoomState(this.#store, roomId, [userId]);
    const { powerLevels } = state;
    if (state.membershipOf(userId) === 'join' && powerLevels.ofUser(userId) >= powerLevels.forEvent(type, true)) return;
    throw new MatrixError(403, 'M_FORBIDDEN', `You have not enough power to ${what}`);
  }

  #parseAlias(text: string): RoomAlias {
    const colon = text.indexOf(':');
    const isAlias = text.startsWith('#') && colon > 1 && isServerName(text.slice(colon + 1)) && !text.includes('\0');
    if (!isAlias || Buffer.byteLength(text) > MAX_ALIAS_BYTES) {
      throw new MatrixError(400, 'M_INVALID_PARAM', `'${text}' is neither a room id nor an alias`);
    }
    return text as RoomAlias;
  }
}

const DESCRIBING: readonly StateKey[] = [
  'm.room.name',
  'm.room.topic',
  'm.room.canonical_alias',
  'm.room.avatar',
  'm.room.join_rules',
  'm.room.create',
  'm.room.history_visibility',
  'm.room.guest_access',
].map((type) => [type, '']);

function parseOffset(since: string | null): number {
  if (since === null) return 0;
  const match = /^p([0-9]{1,9})$/.exec(since);
  if (match === null) throw new MatrixError(400, 'M_INVALID_PARAM', "'since' is not a token of this server");
  return Number(match[1]);
}

function noSuchAlias(alias: RoomAlias): MatrixError {
  return new MatrixError(404, 'M_NOT_FOUND', `There is no room with the alias ${alias}`);
}
