/**
 * Answers what `/sync` asks about rooms: which rooms have something to tell the user, and what.
 *
 * One query says which of the user's rooms changed; only those are looked at. The membership that counts is the one at
 * `upTo`. Source: Matrix specification, client-server API, "Syncing"; see `room-sync.ts` for what the answer promises.
 */
import { setImmediate } from 'node:timers/promises';
import type { RoomId, UserId } from '../../matrix/identifiers.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Membership, RoomStore, StateKey, StoredEvent, StoredMembership } from '../../ports/room-store.ts';
import type { StrippedStateEvent } from './client-event.ts';
import type { HistoryEntry } from './history-visibility.ts';
import type { JoinedMembers } from './joined-members.ts';
import { lostUsers } from './lost-users.ts';
import { toStrippedState } from './render-event.ts';
import type {
  InvitedRoomSync,
  JoinedRoomSync,
  LeftRoomSync,
  RoomSync,
  RoomSyncChanges,
  RoomSyncRequest,
} from './room-sync.ts';
import { hasSomething, readJoinedRoom, readLeftRoom, type RoomQuestion } from './sync-room.ts';
import type { Typing } from './typing.ts';

export interface RoomSyncReaderOptions {
  readonly store: RoomStore;
  readonly clock: Clock;
  readonly joinedMembers: JoinedMembers;
  readonly typing: Typing;
  /** Whether who shares the room sees each other. @default every room counts */
  readonly countsForPresence?: (roomId: RoomId) => boolean;
}

type UserRoom = StoredMembership & { readonly lastPosition: number };

/** Rooms looked at in one go. */
const ROOMS_PER_TURN = 10;

/** What somebody who is invited sees of the room's state. */
const INVITE_KEYS: readonly StateKey[] = [
  'm.room.create',
  'm.room.join_rules',
  'm.room.canonical_alias',
  'm.room.avatar',
  'm.room.name',
  'm.room.topic',
  'm.room.encryption',
].map((type) => [type, '']);

export class RoomSyncReader implements RoomSync {
  readonly #options: RoomSyncReaderOptions;

  constructor(options: RoomSyncReaderOptions) {
    this.#options = options;
  }

  async position(): Promise<number> {
    return this.#options.store.currentPosition();
  }

  typingSerial(): number {
    return this.#options.typing.serial;
  }

  async joinedRooms(userId: UserId): Promise<readonly RoomId[]> {
    const rows = await this.#options.store.membershipsOf(userId, null);
    return rows.filter((row) => row.membership === 'join').map((row) => row.roomId);
  }

  async changes(request: RoomSyncRequest): Promise<RoomSyncChanges> {
    const { userId, since, typingSince, fullState, filter } = request;
    const { store, typing, joinedMembers } = this.#options;
    const joined: JoinedRoomSync[] = [];
    const invited: InvitedRoomSync[] = [];
    const knocked: InvitedRoomSync[] = [];
    const left: LeftRoomSync[] = [];
    const newlyJoinedRooms: RoomId[] = [];
    const newlyVisibleUsers = new Set<UserId>();
    const lost = new Set<UserId>();
    const typingRooms = new Set(typingSince === null ? [] : typing.roomsChangedSince(typingSince));
    const isWhole = since === null || fullState;

    let looked = 0;
    const mayBeUnchanged = isWhole || typingRooms.size > 0;
    for (const row of await store.membershipsOf(userId, mayBeUnchanged ? null : since)) {
      const { roomId } = row;
      const isShown = filter.acceptsRoom?.(roomId) !== false;
      const mayHaveLost = since !== null && row.lastPosition > since;
      if (!isShown && !mayHaveLost) continue;
      const isUnchanged = since !== null && row.lastPosition <= since && !typingRooms.has(roomId);
      if (isUnchanged && !(isWhole && row.membership !== 'leave' && row.membership !== 'ban')) continue;
      // A database that answers at once would keep the process busy until the last room: others have their turn.
      looked += 1;
      if (looked % ROOMS_PER_TURN === 0) await setImmediate();
      const at = await this.#membershipAt(row, request.upTo);
      if (at === null) continue;
      const isChanged = since === null || at.position > since;
      if (mayHaveLost && (!isShown || (isChanged && at.membership !== 'join'))) {
        await this.#addLost(lost, request, roomId, at, null);
      }
      if (!isShown) continue;
      switch (at.membership) {
        case 'join': {
          const question = await this.#question(request, roomId, at.position);
          const room = await readJoinedRoom(this.#options, question);
          if (!isWhole && !question.isNewlyJoined && !hasSomething(room.sync)) break;
          joined.push(room.sync);
          if (since === null) break;
          await this.#addLost(lost, request, roomId, at, room.memberChanges);
          for (const member of room.newMembers) newlyVisibleUsers.add(member);
          if (!question.isNewlyJoined) break;
          newlyJoinedRooms.push(roomId);
          for (const member of await joinedMembers.of(roomId)) newlyVisibleUsers.add(member);
          break;
        }
        case 'invite':
        case 'knock':
          if (!isChanged && !isWhole) break;
          (at.membership === 'invite' ? invited : knocked).push({
            roomId,
            state: await this.#strippedState(roomId, userId, at.position),
          });
          break;
        case 'leave':
        case 'ban':
          if (!isChanged || (since === null && !filter.includeLeave)) break;
          // What is forgotten is not shown again, but a device that still has the room must hear that it is out.
          if (row.forgotten && !(await this.#hadRoom(roomId, userId, since))) break;
          left.push(await readLeftRoom(this.#options, await this.#question(request, roomId, at.position), at.position));
          break;
      }
    }
    newlyVisibleUsers.delete(userId);
    lost.delete(userId);
    return { joined, invited, knocked, left, newlyJoinedRooms, newlyVisibleUsers, lostUsers: lost };
  }

  /** @param changes - of memberships in the room, if they have been read */
  async #addLost(
    lost: Set<UserId>,
    { userId, since, upTo }: RoomSyncRequest,
    roomId: RoomId,
    at: { readonly membership: Membership; readonly position: number },
    changes: readonly StoredEvent[] | null,
  ): Promise<void> {
    const { countsForPresence, store } = this.#options;
    if (since === null || countsForPresence?.(roomId) === false) return;
    if (changes?.every(({ content }) => content['membership'] === 'join') === true) return;
    const stayed = at.membership === 'join' && at.position <= since;
    for (const member of await lostUsers(store, { roomId, userId, since, upTo, stayed, changes })) lost.add(member);
  }

  /** The membership at `upTo`: what the row says, unless it changed since. Null: the user had nothing to do with the room. */
  async #membershipAt(row: UserRoom, upTo: number): Promise<{ membership: Membership; position: number } | null> {
    if (row.position <= upTo) return row;
    const own = await this.#ownHistory(row.roomId, row.userId);
    const entry = own.findLast(({ position }) => position <= upTo);
    return entry === undefined
      ? null
      : { membership: entry.content['membership'] as Membership, position: entry.position };
  }

  /** Whether a sync up to `since` has told of the room as one the user is joined to, invited to or knocking at. */
  async #hadRoom(roomId: RoomId, userId: UserId, since: number | null): Promise<boolean> {
    if (since === null) return false;
    const own = await this.#ownHistory(roomId, userId);
    const membership = own.findLast(({ position }) => position <= since)?.content['membership'];
    return membership === 'join' || membership === 'invite' || membership === 'knock';
  }

  async #question(request: RoomSyncRequest, roomId: RoomId, memberPosition: number): Promise<RoomQuestion> {
    const { since, upTo } = request;
    if (since === null) return { request, roomId, wasJoined: false, isNewlyJoined: false, wasThereBefore: false };
    if (memberPosition <= since) {
      return { request, roomId, wasJoined: true, isNewlyJoined: false, wasThereBefore: true };
    }
    const own = await this.#ownHistory(roomId, request.userId);
    const isJoin = (entry: HistoryEntry): boolean => entry.content['membership'] === 'join';
    const before = own.filter((entry) => entry.position <= since);
    const between = own.filter((entry) => entry.position > since && entry.position <= upTo);
    const last = before.at(-1);
    const current = between.at(-1);
    const isIn = current !== undefined && isJoin(current);
    const wasJoined = last !== undefined && isJoin(last);
    return {
      request,
      roomId,
      wasJoined,
      isNewlyJoined: isIn ? !wasJoined || between.some((entry) => !isJoin(entry)) : !wasJoined && between.some(isJoin),
      wasThereBefore: before.some(isJoin),
    };
  }

  /** As it was at the invite or knock, with the inviter's and the user's own member event. */
  async #strippedState(roomId: RoomId, userId: UserId, at: number): Promise<readonly StrippedStateEvent[]> {
    const { store } = this.#options;
    const state = await store.readState(
      roomId,
      { kind: 'keys', keys: [...INVITE_KEYS, ['m.room.member', userId]] },
      at,
    );
    const inviter = state.find((event) => event.type === 'm.room.member')?.sender;
    const more =
      inviter === undefined || inviter === userId
        ? []
        : await store.readState(roomId, { kind: 'keys', keys: [['m.room.member', inviter]] }, at);
    return [...state, ...more].map(toStrippedState);
  }

  #ownHistory(roomId: RoomId, userId: UserId): Promise<readonly HistoryEntry[]> {
    return this.#options.store.stateHistory(roomId, ['m.room.member', userId]);
  }
}
