/**
 * Who is joined to a room, kept in memory for the rooms written to lately: whoever writes must wake them all.
 *
 * Filled from the store when first asked and kept up to date by the writer, under the room's lock. Bounded by the number of
 * ids held, the longest unused rooms going first; the store stays the truth.
 */
import type { RoomId, UserId } from '../../matrix/identifiers.ts';
import type { RoomStore } from '../../ports/room-store.ts';

const MAX_HELD_IDS = 200_000;
/** More members than any room has. */
const ALL = 2 ** 31;

export class JoinedMembers {
  readonly #store: Pick<RoomStore, 'listMembers'>;
  readonly #maxHeldIds: number;
  /** Least recently used first. */
  readonly #rooms = new Map<RoomId, Set<UserId>>();
  /** Reads under way, each told when what it reads has changed meanwhile. */
  readonly #loads = new Map<RoomId, Set<{ isStale: boolean }>>();
  #heldIds = 0;

  constructor(store: Pick<RoomStore, 'listMembers'>, maxHeldIds = MAX_HELD_IDS) {
    this.#store = store;
    this.#maxHeldIds = maxHeldIds;
  }

  /** The members now. The set is live: read it, do not keep it. */
  async of(roomId: RoomId): Promise<ReadonlySet<UserId>> {
    const known = this.#rooms.get(roomId);
    if (known !== undefined) {
      this.#rooms.delete(roomId);
      this.#rooms.set(roomId, known);
      return known;
    }
    return this.#load(roomId);
  }

  /** Tells of a change that is durable. Rooms not held are read when next asked for. */
  changed(roomId: RoomId, userId: UserId, isJoined: boolean): void {
    for (const load of this.#loads.get(roomId) ?? []) load.isStale = true;
    const members = this.#rooms.get(roomId);
    if (members === undefined) return;
    const before = members.size;
    if (isJoined) members.add(userId);
    else members.delete(userId);
    this.#heldIds += members.size - before;
  }

  /** Forgets a room whose members are in doubt: a write to it failed half-way as far as we know. */
  forget(roomId: RoomId): void {
    for (const load of this.#loads.get(roomId) ?? []) load.isStale = true;
    this.#drop(roomId);
  }

  get heldIds(): number {
    return this.#heldIds;
  }

  async #load(roomId: RoomId): Promise<ReadonlySet<UserId>> {
    const load = { isStale: false };
    const loads = this.#loads.get(roomId) ?? new Set();
    this.#loads.set(roomId, loads.add(load));
    try {
      const rows = await this.#store.listMembers(roomId, ['join'], ALL);
      const members = new Set(rows.map((row) => row.userId));
      // What changed while it was read is in the store, but perhaps not in what was read: not kept.
      if (!load.isStale) this.#hold(roomId, members);
      return members;
    } finally {
      loads.delete(load);
      if (loads.size === 0) this.#loads.delete(roomId);
    }
  }

  #hold(roomId: RoomId, members: Set<UserId>): void {
    this.#drop(roomId);
    this.#rooms.set(roomId, members);
    this.#heldIds += members.size;
    for (const oldest of this.#rooms.keys()) {
      if (this.#heldIds <= this.#maxHeldIds || oldest === roomId) break;
      this.#drop(oldest);
    }
  }

  #drop(roomId: RoomId): void {
    const members = this.#rooms.get(roomId);
    if (members === undefined) return;
    this.#rooms.delete(roomId);
    this.#heldIds -= members.size;
  }
}
