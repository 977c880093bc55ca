/**
 * Who is in a room: join, knock, invite, leave, kick, ban, unban, forget, and a member's profile as the room sees it.
 *
 * Each is one member event that the rules allow or not; what the rules leave open is decided here, in the words of the
 * endpoint. Source: Matrix specification, client-server API, "Room membership".
 */
import { setImmediate } from 'node:timers/promises';
import { MatrixError } from '../../matrix/errors.ts';
import { isUserId, type RoomId, type UserId } from '../../matrix/identifiers.ts';
import type { JsonObject, Membership, RoomStore } from '../../ports/room-store.ts';
import type { EventDraft } from './build-event.ts';
import { checkLocalUser } from './local-users.ts';
import { type MemberProfile, type MemberProfiles, memberContent } from './profiles.ts';
import type { RoomTurn, RoomWriter } from './room-writer.ts';

export interface MembershipOptions {
  readonly store: Pick<RoomStore, 'findMembership' | 'membershipsOf' | 'forget'>;
  readonly writer: Pick<RoomWriter, 'write'>;
  readonly serverName: string;
  readonly profiles: MemberProfiles;
}

export class Memberships {
  readonly #store: MembershipOptions['store'];
  readonly #writer: MembershipOptions['writer'];
  readonly #serverName: string;
  readonly #profiles: MemberProfiles;

  constructor(options: MembershipOptions) {
    this.#store = options.store;
    this.#writer = options.writer;
    this.#serverName = options.serverName;
    this.#profiles = options.profiles;
  }

  /** Joins; nothing happens to somebody who is in the room. 404 M_NOT_FOUND for an unknown room. */
  async join(userId: UserId, roomId: RoomId, reason?: string): Promise<void> {
    const profile = await this.#profiles.profileOf(userId);
    await this.#change(userId, userId, roomId, (current) =>
      current === 'join' ? null : withReason(memberContent('join', profile), reason),
    );
  }

  /** Asks to be invited, where the join rule allows that. */
  async knock(userId: UserId, roomId: RoomId, reason?: string): Promise<void> {
    const profile = await this.#profiles.profileOf(userId);
    await this.#change(userId, userId, roomId, () => withReason(memberContent('knock', profile), reason));
  }

  async invite(sender: UserId, roomId: RoomId, target: string, reason?: string): Promise<void> {
    const userId = checkLocalUser(target, this.#serverName);
    const profile = await this.#profiles.profileOf(userId);
    await this.#changeAsMember(sender, userId, roomId, () => withReason(memberContent('invite', profile), reason));
  }

  /** Leaves, turns an invite down, or takes a knock back. Leaving a room one has left is no error. */
  async leave(userId: UserId, roomId: RoomId, reason?: string): Promise<void> {
    await this.#changeAsMember(userId, userId, roomId, (current) =>
      current === 'leave' ? null : withReason(memberContent('leave', null), reason),
    );
  }

  /** Removes somebody who is joined, invited or knocking. */
  async kick(sender: UserId, roomId: RoomId, target: string, reason?: string): Promise<void> {
    const userId = this.#checkTarget(target);
    await this.#changeAsMember(sender, userId, roomId, (current) => {
      if (current === 'join' || current === 'invite' || current === 'knock') {
        return withReason(memberContent('leave', null), reason);
      }
      throw new MatrixError(403, 'M_FORBIDDEN', `${userId} is not in this room`);
    });
  }

  async ban(sender: UserId, roomId: RoomId, target: string, reason?: string): Promise<void> {
    const userId = this.#checkTarget(target);
    await this.#changeAsMember(sender, userId, roomId, () => withReason(memberContent('ban', null), reason));
  }

  async unban(sender: UserId, roomId: RoomId, target: string, reason?: string): Promise<void> {
    const userId = this.#checkTarget(target);
    await this.#changeAsMember(sender, userId, roomId, (current, own) => {
      if (current === 'ban') return withReason(memberContent('leave', null), reason);
      if (own !== 'join') throw notInRoom(roomId);
      throw new MatrixError(403, 'M_BAD_STATE', `${userId} is not banned from this room`);
    });
  }

  /** Takes a room one has left out of one's lists and out of one's reach. */
  async forget(userId: UserId, roomId: RoomId): Promise<void> {
    const row = await this.#store.findMembership(roomId, userId);
    if (row === null) throw notInRoom(roomId);
    if (row.membership !== 'leave' && row.membership !== 'ban') {
      throw new MatrixError(400, 'M_UNKNOWN', 'Leave the room before forgetting it');
    }
    await this.#store.forget(roomId, userId);
  }

  async joinedRooms(userId: UserId): Promise<readonly RoomId[]> {
    const rows = await this.#store.membershipsOf(userId, null);
    return rows.filter((row) => row.membership === 'join').map((row) => row.roomId);
  }

  /** Shows a changed profile in every room the user is in, others having their turn between two. Call it when it is durable. */
  async profileChanged(userId: UserId): Promise<void> {
    const profile = await this.#profiles.profileOf(userId);
    for (const roomId of await this.joinedRooms(userId)) {
      await setImmediate();
      await this.#change(userId, userId, roomId, (current, _own, before) =>
        current === 'join' ? withProfile(before, profile) : null,
      );
    }
  }

  /** Leaves every room and turns every invite down: the account is deactivated. */
  async leaveAll(userId: UserId): Promise<void> {
    for (const { roomId, membership } of await this.#store.membershipsOf(userId, null)) {
      if (membership === 'leave' || membership === 'ban') continue;
      await setImmediate();
      await this.#change(userId, userId, roomId, (current) =>
        current === 'leave' || current === 'ban' ? null : memberContent('leave', null),
      );
    }
  }

  /** A user id of any server: somebody else's user was never in, which the caller finds out. */
  #checkTarget(target: string): UserId {
    if (isUserId(target)) return target;
    throw new MatrixError(400, 'M_INVALID_PARAM', `'${target}' is not a user id`);
  }

  /** Same as `#change`, where an unknown room and one that is not one's own look the same. */
  async #changeAsMember(sender: UserId, target: UserId, roomId: RoomId, content: ContentOf): Promise<void> {
    const row = await this.#store.findMembership(roomId, sender);
    if (row === null) throw notInRoom(roomId);
    await this.#change(sender, target, roomId, content);
  }

  async #change(sender: UserId, target: UserId, roomId: RoomId, content: ContentOf): Promise<void> {
    const users = sender === target ? [sender] : [sender, target];
    await this.#writer.write(roomId, { users }, ({ state }: RoomTurn): EventDraft | null => {
      const before = state.get('m.room.member', target)?.content ?? {};
      const next = content(state.membershipOf(target), state.membershipOf(sender), before);
      return next === null ? null : { type: 'm.room.member', stateKey: target, sender, content: next };
    });
  }
}

/** From the target's and the sender's present membership, and the target's member content, to the next; null for no change. */
type ContentOf = (current: Membership | null, own: Membership | null, before: JsonObject) => JsonObject | null;

function withReason(content: JsonObject, reason: string | undefined): JsonObject {
  return reason === undefined ? content : { ...content, reason };
}

function withProfile(before: JsonObject, profile: MemberProfile): JsonObject {
  const { displayname: _displayname, avatar_url: _avatarUrl, ...rest } = before;
  return { ...rest, ...memberContent('join', profile) };
}

function notInRoom(roomId: RoomId): MatrixError {
  return new MatrixError(403, 'M_FORBIDDEN', `You are not in ${roomId}`);
}
