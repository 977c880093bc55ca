/**
 * The part of a room's state that decides what is allowed: read from the store, or grown event by event for a new room.
 *
 * Source: Matrix specification, room version 11, "Authorization rules".
 */
import type { RoomId, UserId } from '../../matrix/identifiers.ts';
import type { JsonObject, Membership, RoomStore, StateKey } from '../../ports/room-store.ts';
import type { AuthState } from './auth-rules.ts';
import { PowerLevels } from './power-levels.ts';

export interface StateEntry {
  readonly sender: UserId;
  readonly content: JsonObject;
}

/** State by type and key. A key that is not loaded and one that does not exist look the same: load what is asked for. */
export class RoomState {
  readonly #entries = new Map<string, StateEntry>();

  get(type: string, stateKey = ''): StateEntry | undefined {
    return this.#entries.get(entryKey(type, stateKey));
  }

  set(type: string, stateKey: string, entry: StateEntry): void {
    this.#entries.set(entryKey(type, stateKey), entry);
  }

  membershipOf(userId: UserId): Membership | null {
    const membership = this.get('m.room.member', userId)?.content['membership'];
    return (membership as Membership | undefined) ?? null;
  }

  get powerLevels(): PowerLevels {
    return new PowerLevels(this.get('m.room.power_levels')?.content ?? null, this.creator);
  }

  get creator(): UserId {
    return this.get('m.room.create')?.sender ?? '@:';
  }

  /** `invite` without a rule that can be read. */
  get joinRule(): string {
    const rule = this.get('m.room.join_rules')?.content['join_rule'];
    return typeof rule === 'string' ? rule : 'invite';
  }

  /** What `authorise` asks for. */
  toAuthState(restrictedJoinAllowed = false): AuthState {
    return {
      creator: this.creator,
      isNew: this.#entries.size === 1,
      powerLevels: this.powerLevels,
      joinRule: this.joinRule,
      membershipOf: (userId) => this.membershipOf(userId),
      restrictedJoinAllowed,
    };
  }
}

const AUTH_KEYS: readonly StateKey[] = [
  ['m.room.create', ''],
  ['m.room.power_levels', ''],
  ['m.room.join_rules', ''],
];

/** Loads what authorising needs: create, power levels, join rules, the members `users`, and `more`. */
export async function loadRoomState(
  store: Pick<RoomStore, 'readState'>,
  roomId: RoomId,
  users: readonly UserId[],
  more: readonly StateKey[] = [],
): Promise<RoomState> {
  const members = users.map((userId): StateKey => ['m.room.member', userId]);
  const events = await store.readState(roomId, { kind: 'keys', keys: [...AUTH_KEYS, ...members, ...more] }, null);
  const state = new RoomState();
  for (const { type, stateKey, sender, content } of events) {
    if (stateKey !== null) state.set(type, stateKey, { sender, content });
  }
  return state;
}

/** NUL cannot stand in a type that a client sends, so no two keys run together. */
function entryKey(type: string, stateKey: string): string {
  return `${type}\0${stateKey}`;
}
