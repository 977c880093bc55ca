/**
 * What rooms are called and who is in them, for explanations to people who look after the server: no member is asked for leave.
 */
import { type RoomId, serverNameOf, type UserId } from '../../matrix/identifiers.ts';
import type { ExplainDirectory } from '../../presence/index.ts';
import type { RoomStore, StateKey } from '../../ports/room-store.ts';

/** Members looked through for one of a server. */
const MAX_MEMBERS = 10_000;
const NAMING: readonly StateKey[] = [
  ['m.room.name', ''],
  ['m.room.canonical_alias', ''],
];

type Store = Pick<RoomStore, 'readState' | 'listAliases' | 'findMembership' | 'listMembers' | 'findRoom'>;

export class RoomNames implements Pick<ExplainDirectory, 'describeRoom' | 'isJoined'> {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Null for an unknown room. */
  async describeRoom(roomId: RoomId): Promise<{ name: string | null; alias: string | null } | null> {
    if ((await this.#store.findRoom(roomId)) === null) return null;
    const events = await this.#store.readState(roomId, { kind: 'keys', keys: NAMING }, null);
    const text = (type: string, key: string): string | null => {
      const value = events.find((event) => event.type === type)?.content[key];
      return typeof value === 'string' && value !== '' ? value : null;
    };
    const alias = text('m.room.canonical_alias', 'alias') ?? (await this.#store.listAliases(roomId))[0] ?? null;
    return { name: text('m.room.name', 'name'), alias };
  }

  /** Whether the user, or any user of the server, is joined. */
  async isJoined(roomId: RoomId, observer: string): Promise<boolean> {
    if (observer.startsWith('@')) {
      const found = await this.#store.findMembership(roomId, observer as UserId);
      return found?.membership === 'join';
    }
    const members = await this.#store.listMembers(roomId, ['join'], MAX_MEMBERS);
    return members.some(({ userId }) => serverNameOf(userId) === observer);
  }
}
