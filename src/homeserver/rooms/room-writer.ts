/**
 * The only way into a room's history: one event at a time, checked against the state, durable, then told.
 *
 * Under the room's lock: the same request again answers with the first event; the rules are asked; the event is built and
 * appended; members are told after it is durable, never before. Source: Matrix specification, client-server API, "Sending
 * events to a room", "Transaction identifiers".
 */
import { isDeepStrictEqual } from 'node:util';
import { MatrixError } from '../../matrix/errors.ts';
import type { EventId, RoomId, UserId } from '../../matrix/identifiers.ts';
import type { Clock } from '../../ports/clock.ts';
import type { MembershipChange } from '../../ports/room-directory.ts';
import type { AppendBatch, AppendResult, Membership, RoomStore, StateKey, StoredRoom } from '../../ports/room-store.ts';
import { authorise } from './auth-rules.ts';
import { buildEvent, type EventDraft } from './build-event.ts';
import type { JoinedMembers } from './joined-members.ts';
import { RoomLock } from './room-lock.ts';
import { loadRoomState, type RoomState } from './room-state.ts';

export interface RoomWriterOptions {
  readonly store: RoomStore;
  readonly clock: Clock;
  readonly joinedMembers: JoinedMembers;
  /** Told of every append, once it is durable: the members, whoever's membership changed, and the newest position. */
  readonly notify: (users: Iterable<UserId>, position: number) => void;
}

/** What a change may look at before it decides: all of one moment, under the room's lock. */
export interface RoomTurn {
  readonly room: StoredRoom;
  readonly state: RoomState;
}

export class RoomWriter {
  readonly #store: RoomStore;
  readonly #clock: Clock;
  readonly #joinedMembers: JoinedMembers;
  readonly #notify: RoomWriterOptions['notify'];
  readonly #lock = new RoomLock();
  readonly #listeners = new Set<(change: MembershipChange) => void>();

  constructor(options: RoomWriterOptions) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#joinedMembers = options.joinedMembers;
    this.#notify = options.notify;
  }

  onMembershipChange(listener: (change: MembershipChange) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  /**
   * Sends what `decide` makes of the room, or nothing when it says null.
   *
   * @param sender - who sends; like `users`, their memberships are loaded
   * @returns the event's id, or that of the event that said the same already; null when nothing was to be sent
   * @throws MatrixError 404 M_NOT_FOUND for an unknown room, 403 M_FORBIDDEN when the rules say no
   */
  write(
    roomId: RoomId,
    interest: { readonly users: readonly UserId[]; readonly keys?: readonly StateKey[] },
    decide: (turn: RoomTurn) => EventDraft | null | Promise<EventDraft | null>,
  ): Promise<EventId | null> {
    return this.#lock.run(roomId, async () => {
      const room = await this.#store.findRoom(roomId);
      if (room === null) throw new MatrixError(404, 'M_NOT_FOUND', `There is no room ${roomId}`);
      const state = await loadRoomState(this.#store, roomId, interest.users, interest.keys);
      const draft = await decide({ room, state });
      if (draft === null) return null;
      const repeated = await this.#findRepeated(roomId, draft);
      if (repeated !== null) return repeated;
      const vouched = draft.type === 'm.room.member' ? await this.#vouchFor(roomId, draft, state) : null;
      authorise(draft, state.toAuthState(vouched !== null));
      const same = await this.#findSame(roomId, draft);
      if (same !== null) return same;
      const event = buildEvent(roomId, vouched ?? draft, room.lastEventId, this.#clock.now());
      await this.append({ roomId, create: null, events: [event], aliases: [] });
      return event.eventId;
    });
  }

  /** Appends checked events and tells of them. The caller holds the room's lock, or the room is new. */
  async append(batch: AppendBatch): Promise<void> {
    const { roomId, events } = batch;
    // Asked before writing: nothing that can fail stands between what is durable and those who are to be told.
    const told = new Set(batch.create === null ? await this.#joinedMembers.of(roomId) : []);
    const last = await this.#appendToStore(batch);
    for (const { type, stateKey, content } of events) {
      if (type !== 'm.room.member' || stateKey === null) continue;
      const userId = stateKey as UserId;
      const isJoined = (content['membership'] as Membership) === 'join';
      told.add(userId);
      this.#joinedMembers.changed(roomId, userId, isJoined);
      for (const listener of this.#listeners) listener({ roomId, userId, membership: isJoined ? 'join' : 'leave' });
    }
    this.#notify(told, last);
  }

  async #appendToStore(batch: AppendBatch): Promise<number> {
    let result: AppendResult;
    try {
      result = await this.#store.appendEvents(batch);
    } catch (error) {
      // Whether it was written is not known for certain.
      this.#joinedMembers.forget(batch.roomId);
      throw error;
    }
    if (result.kind === 'appended') return result.last;
    throw new MatrixError(400, 'M_ROOM_IN_USE', `The alias ${result.alias} is taken`);
  }

  /** The event that the same request of the same device made before. */
  async #findRepeated(roomId: RoomId, { sender, type, transaction, redaction }: EventDraft): Promise<EventId | null> {
    if (transaction === undefined) return null;
    return this.#store.findTransaction({ ...transaction, roomId, sender, type, redacts: redaction?.eventId ?? null });
  }

  /** The present state event when it is of the same sender and has the same content: nothing would change. */
  async #findSame(roomId: RoomId, { sender, type, stateKey, content }: EventDraft): Promise<EventId | null> {
    if (stateKey === null) return null;
    const [current] = await this.#store.readState(roomId, { kind: 'keys', keys: [[type, stateKey]] }, null);
    if (current === undefined || current.sender !== sender) return null;
    return isDeepStrictEqual(current.content, content) ? current.eventId : null;
  }

  /**
   * For a join that membership of another room allows: the draft with the member who vouches for it; null for every other event.
   *
   * The specification wants the event to name a joined member who could have invited.
   */
  async #vouchFor(roomId: RoomId, draft: EventDraft, state: RoomState): Promise<EventDraft | null> {
    const { joinRule, powerLevels } = state;
    if (draft.content['membership'] !== 'join' || (joinRule !== 'restricted' && joinRule !== 'knock_restricted')) {
      return null;
    }
    const current = state.membershipOf(draft.sender);
    if (current === 'join' || current === 'invite') return null;
    if (!(await this.#isMemberElsewhere(draft.sender, state.get('m.room.join_rules')?.content['allow']))) return null;
    for (const userId of await this.#joinedMembers.of(roomId)) {
      if (powerLevels.ofUser(userId) < powerLevels.forAction('invite')) continue;
      return { ...draft, content: { ...draft.content, join_authorised_via_users_server: userId } };
    }
    return null;
  }

  async #isMemberElsewhere(userId: UserId, allow: unknown): Promise<boolean> {
    if (!Array.isArray(allow)) return false;
    for (const condition of allow as unknown[]) {
      if (typeof condition !== 'object' || condition === null) continue;
      const { type, room_id: roomId } = condition as Record<string, unknown>;
      if (type !== 'm.room_membership' || typeof roomId !== 'string') continue;
      const row = await this.#store.findMembership(roomId as RoomId, userId);
      if (row?.membership === 'join') return true;
    }
    return false;
  }
}
