/**
 * Account data and stored filters: what a client keeps with its user, and what `/sync` asks about them.
 *
 * Push rules are account data of the type `m.push_rules`; a user who never changed them has the defaults, which are
 * made up when somebody looks.
 */
import { MatrixError } from '../../matrix/errors.ts';
import type { RoomId, UserId } from '../../matrix/identifiers.ts';
import type { AccountDataContent, AccountStore } from '../../ports/account-store.ts';
import type { AccountDataChanges, AccountDataEvent, AccountSync } from '../sync/account-data-sync.ts';
import type { AccountEvents } from './account-events.ts';
import { defaultPushRules } from './push-rules/default-rules.ts';

export const PUSH_RULES_TYPE = 'm.push_rules';

/** Types of one user, over all rooms. */
const MAX_ENTRIES = 10_000;
const MAX_TYPE_LENGTH = 255;
const MAX_FILTERS = 1000;
const MAX_FILTER_LENGTH = 65_536;

type AccountDataStore = Pick<
  AccountStore,
  'putAccountData' | 'findAccountData' | 'accountDataChanges' | 'addFilter' | 'findFilter'
>;

export class AccountData implements AccountSync {
  readonly #store: AccountDataStore;
  readonly #events: AccountEvents;

  constructor(store: AccountDataStore, events: AccountEvents) {
    this.#store = store;
    this.#events = events;
  }

  /** Null when there is none. */
  async find(userId: UserId, roomId: RoomId | null, type: string): Promise<AccountDataContent | null> {
    const stored = await this.#store.findAccountData(userId, roomId, type);
    return stored === null && roomId === null && type === PUSH_RULES_TYPE ? defaultPushRules(userId) : stored;
  }

  /** @throws MatrixError 400 `M_INVALID_PARAM` for an overlong type, 413 `M_TOO_LARGE` beyond 10,000 types of one user */
  async set(userId: UserId, roomId: RoomId | null, type: string, content: AccountDataContent): Promise<void> {
    if (type.length > MAX_TYPE_LENGTH) throw new MatrixError(400, 'M_INVALID_PARAM', 'The type is too long');
    const position = await this.#store.putAccountData(userId, roomId, type, content, MAX_ENTRIES);
    if (position === null) throw new MatrixError(413, 'M_TOO_LARGE', `A user has at most ${MAX_ENTRIES} account data`);
    await this.#events.emit('accountDataChanged', userId, position);
  }

  async setRoomAccountData(userId: UserId, roomId: RoomId, type: string, content: AccountDataContent): Promise<void> {
    await this.set(userId, roomId, type, content);
  }

  async accountDataChanges(userId: UserId, since: number | null, upTo: number): Promise<AccountDataChanges> {
    const global: AccountDataEvent[] = [];
    const rooms = new Map<RoomId, AccountDataEvent[]>();
    for (const { roomId, type, content } of await this.#store.accountDataChanges(userId, since ?? 0, upTo)) {
      if (roomId === null) {
        global.push({ type, content });
        continue;
      }
      const events = rooms.get(roomId);
      if (events === undefined) rooms.set(roomId, [{ type, content }]);
      else events.push({ type, content });
    }
    if (since === null && !global.some(({ type }) => type === PUSH_RULES_TYPE)) {
      global.unshift({ type: PUSH_RULES_TYPE, content: defaultPushRules(userId) });
    }
    return { global, rooms };
  }

  /** `definition` is checked already. @throws MatrixError 413 `M_TOO_LARGE` */
  async addFilter(userId: UserId, definition: unknown): Promise<string> {
    const text = JSON.stringify(definition);
    if (text.length > MAX_FILTER_LENGTH) throw new MatrixError(413, 'M_TOO_LARGE', 'The filter is too long');
    const filterId = await this.#store.addFilter(userId, text, MAX_FILTERS);
    if (filterId === null) throw new MatrixError(413, 'M_TOO_LARGE', `A user has at most ${MAX_FILTERS} filters`);
    return filterId;
  }

  async findFilter(userId: UserId, filterId: string): Promise<unknown> {
    const text = await this.#store.findFilter(userId, filterId);
    return text === null ? null : (JSON.parse(text) as unknown);
  }
}
