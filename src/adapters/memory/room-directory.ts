/**
 * Who is joined where, as a test says it.
 */
import type { RoomId, UserId } from '../../matrix/identifiers.ts';
import type { MembershipChange, RoomDirectory } from '../../ports/room-directory.ts';

export class MemoryRoomDirectory implements RoomDirectory {
  readonly #rooms = new Map<RoomId, Set<UserId>>();
  readonly #listeners = new Set<(change: MembershipChange) => void>();

  join(roomId: RoomId, ...users: UserId[]): void {
    let members = this.#rooms.get(roomId);
    if (members === undefined) this.#rooms.set(roomId, (members = new Set()));
    for (const userId of users) {
      members.add(userId);
      this.#tell({ roomId, userId, membership: 'join' });
    }
  }

  leave(roomId: RoomId, ...users: UserId[]): void {
    const members = this.#rooms.get(roomId);
    for (const userId of users) {
      members?.delete(userId);
      this.#tell({ roomId, userId, membership: 'leave' });
    }
    if (members?.size === 0) this.#rooms.delete(roomId);
  }

  /** Whether the two are joined to a common room. */
  shareRoom(a: UserId, b: UserId): boolean {
    for (const members of this.#rooms.values()) if (members.has(a) && members.has(b)) return true;
    return false;
  }

  async *loadJoined(): AsyncIterable<{ readonly roomId: RoomId; readonly members: readonly UserId[] }> {
    const rooms = [...this.#rooms];
    for (const [roomId, members] of rooms) yield { roomId, members: [...members] };
  }

  onMembershipChange(listener: (change: MembershipChange) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  #tell(change: MembershipChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}
