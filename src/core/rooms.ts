/**
 * Who is joined where, in both directions, and which connected observers sit in each room.
 *
 * A user's rooms are sorted, so that two users' lists intersect in one pass. A room's members and observers are not: they are
 * appended, and removed by a search through plain numbers and moving the last one: microseconds even in a room of ten
 * thousand. Excluded rooms never get in here.
 */
import type { RoomId } from '../matrix/identifiers.ts';
import { Stamps } from './columns.ts';
import { IdTable } from './id-table.ts';
import { IntLists } from './int-lists.ts';
import type { UserTable } from './user-table.ts';

const NONE = -1;

export class Rooms {
  readonly #users: UserTable;
  readonly #ids = new IdTable<RoomId>();
  readonly #excluded: ReadonlySet<RoomId>;
  /** uid → room numbers, ascending. */
  readonly ofUser = new IntLists();
  /** room → uids. */
  readonly members = new IntLists();
  /** room → slots of connected observers. */
  readonly observers = new IntLists();
  /** Room → remote server → joined members; only rooms with remote members are in here. */
  readonly #there = new Stamps();
  #isLoading = false;
  readonly #remoteMembers = new Map<number, Map<number, number>>();

  constructor(users: UserTable, excluded: ReadonlySet<RoomId>) {
    this.#users = users;
    this.#excluded = excluded;
  }

  get size(): number {
    return this.#ids.size;
  }

  get bytes(): number {
    return this.ofUser.bytes + this.members.bytes + this.observers.bytes;
  }

  /** Every room with its members' uids. */
  *each(): IterableIterator<[roomId: RoomId, members: number[]]> {
    for (let room = 0; room < this.#ids.bound; room++) {
      if (this.members.size(room) > 0) yield [this.#ids.name(room), this.members.values(room)];
    }
  }

  /** Gives memory back that is mostly free. */
  compact(): void {
    for (const lists of [this.ofUser, this.members, this.observers]) lists.compact();
  }

  isExcluded(roomId: RoomId): boolean {
    return this.#excluded.has(roomId);
  }

  /**
   * Puts many into a room, before anybody is connected. Call it for each room, then `endLoading`: until then users' own lists of rooms are
   * behind. Who is in the room already, or twice in `uids`, does no harm.
   */
  load(roomId: RoomId, uids: readonly number[]): void {
    if (this.isExcluded(roomId) || uids.length === 0) return;
    if (!this.#isLoading) this.members.hurry();
    this.#isLoading = true;
    const room = this.#ids.intern(roomId);
    this.members.reserve(room, this.members.size(room) + uids.length);
    this.#there.begin(this.#users.bound);
    for (const uid of this.members.values(room)) this.#there.mark(uid);
    for (const uid of uids) {
      if (!this.#there.mark(uid)) continue;
      this.members.push(room, uid);
      this.#countServer(room, uid, 1);
    }
  }

  /** Draws up the users' lists of rooms anew, each in a block of its size. */
  endLoading(): void {
    if (!this.#isLoading) return;
    this.#isLoading = false;
    const { members } = this;
    members.settle();
    const counts = new Uint32Array(this.#users.bound);
    this.#eachMembership((_, uid) => {
      counts[uid] = (counts[uid] as number) + 1;
    });
    for (let uid = 0; uid < counts.length; uid++) {
      if (this.ofUser.size(uid) === 0 && counts[uid] !== 0) this.#users.countGuest(uid, -1);
    }
    this.ofUser.allocate(counts);
    // Rooms come in the order of their numbers, which is the order that the lists are to have.
    this.#eachMembership((room, uid) => this.ofUser.push(uid, room));
  }

  #eachMembership(visit: (room: number, uid: number) => void): void {
    const { members } = this;
    for (let room = 0; room < this.#ids.bound; room++) {
      const size = members.size(room);
      if (size === 0) continue;
      const start = members.start[room] as number;
      for (let at = start; at < start + size; at++) visit(room, members.buffer[at] as number);
    }
  }

  /** Returns the room's number, or -1 if the user was there already. */
  join(uid: number, roomId: RoomId): number {
    if (this.isExcluded(roomId)) return NONE;
    const room = this.#ids.intern(roomId);
    const index = this.ofUser.lowerBound(uid, room);
    if (index < this.ofUser.size(uid) && this.ofUser.at(uid, index) === room) return NONE;
    if (this.ofUser.size(uid) === 0) this.#users.countGuest(uid, -1);
    this.ofUser.insert(uid, index, room);
    this.members.push(room, uid);
    this.#countServer(room, uid, 1);
    const slot = this.#users.observer[uid] as number;
    if (slot >= 0) this.observers.push(room, slot);
    return room;
  }

  /**
   * Returns the room's number, which may be given to another room from now on, or -1 if the user was not there.
   *
   * @param onLeave - is given the number while the user is still there
   */
  leave(uid: number, roomId: RoomId, onLeave?: (room: number) => void): number {
    const room = this.#ids.find(roomId);
    if (room < 0) return NONE;
    const index = this.ofUser.lowerBound(uid, room);
    if (index >= this.ofUser.size(uid) || this.ofUser.at(uid, index) !== room) return NONE;
    onLeave?.(room);
    const slot = this.#users.observer[uid] as number;
    if (slot >= 0) this.#removeObserver(room, slot);
    this.ofUser.removeOrdered(uid, index);
    if (this.ofUser.size(uid) === 0) this.#users.countGuest(uid, 1);
    this.members.removeSwapping(room, this.members.indexOf(room, uid));
    this.#countServer(room, uid, -1);
    if (this.members.size(room) === 0) this.#ids.release(room);
    return room;
  }

  /** The user has connected as observer `slot`: they are one in every room of theirs. */
  attach(uid: number, slot: number): void {
    for (const room of this.ofUser.values(uid)) this.observers.push(room, slot);
  }

  detach(uid: number, slot: number): void {
    for (const room of this.ofUser.values(uid)) this.#removeObserver(room, slot);
  }

  /** The id of a room, by number. */
  name(room: number): RoomId {
    return this.#ids.name(room);
  }

  /** Whether the two are joined to a common room. */
  share(uid: number, other: number): boolean {
    const lists = this.ofUser;
    const size = lists.size(uid);
    const otherSize = lists.size(other);
    if (size === 0 || otherSize === 0) return false;
    const { buffer } = lists;
    let at = lists.start[uid] as number;
    let otherAt = lists.start[other] as number;
    const end = at + size;
    const otherEnd = otherAt + otherSize;
    let room = buffer[at] as number;
    let otherRoom = buffer[otherAt] as number;
    for (;;) {
      if (room === otherRoom) return true;
      if (room < otherRoom) {
        if (++at === end) return false;
        room = buffer[at] as number;
      } else {
        if (++otherAt === otherEnd) return false;
        otherRoom = buffer[otherAt] as number;
      }
    }
  }

  /** Remote servers (by number) with members in the room; undefined for none. */
  remoteServers(room: number): ReadonlyMap<number, number> | undefined {
    return this.#remoteMembers.get(room);
  }

  /** Whether the user is joined to a room with users of a remote server, by number. */
  shareWithServer(uid: number, server: number): boolean {
    if (this.#remoteMembers.size === 0) return false;
    const count = this.ofUser.size(uid);
    for (let index = 0; index < count; index++) {
      if (this.#remoteMembers.get(this.ofUser.at(uid, index))?.has(server) === true) return true;
    }
    return false;
  }

  /** Whether a room of the user has remote members. */
  hasRemoteMates(uid: number): boolean {
    if (this.#remoteMembers.size === 0) return false;
    const count = this.ofUser.size(uid);
    for (let index = 0; index < count; index++) {
      if (this.#remoteMembers.has(this.ofUser.at(uid, index))) return true;
    }
    return false;
  }

  /** Whether any room has remote members. */
  get hasRemoteMembers(): boolean {
    return this.#remoteMembers.size > 0;
  }

  #removeObserver(room: number, slot: number): void {
    this.observers.removeSwapping(room, this.observers.indexOf(room, slot));
  }

  #countServer(room: number, uid: number, change: number): void {
    if (this.#users.isLocal(uid)) return;
    const server = this.#users.server[uid] as number;
    const counts = this.#remoteMembers.get(room) ?? new Map<number, number>();
    const count = (counts.get(server) ?? 0) + change;
    if (count > 0) counts.set(server, count);
    else counts.delete(server);
    if (counts.size > 0) this.#remoteMembers.set(room, counts);
    else this.#remoteMembers.delete(room);
  }
}
