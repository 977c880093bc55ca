/**
 * Display names and pictures. Rooms hear of a change by the `profileChanged` event.
 */
import { MatrixError } from '../../matrix/errors.ts';
import type { UserId } from '../../matrix/identifiers.ts';
import type { AccountStore, StoredProfile } from '../../ports/account-store.ts';
import type { AccountEvents } from './account-events.ts';

/** The reference server's limits, in characters. */
const MAX_DISPLAYNAME_LENGTH = 256;
const MAX_AVATAR_URL_LENGTH = 1000;
const NOBODY: StoredProfile = { displayname: null, avatarUrl: null };

export class Profiles {
  readonly #store: Pick<AccountStore, 'findProfile' | 'setProfile'>;
  readonly #events: AccountEvents;

  constructor(store: Pick<AccountStore, 'findProfile' | 'setProfile'>, events: AccountEvents) {
    this.#store = store;
    this.#events = events;
  }

  /** Both null for a user who has none or does not exist. */
  async profileOf(userId: UserId): Promise<StoredProfile> {
    return (await this.#store.findProfile(userId)) ?? NOBODY;
  }

  /** @throws MatrixError 404 `M_NOT_FOUND` for a user this server does not have */
  async get(userId: UserId): Promise<StoredProfile> {
    const profile = await this.#store.findProfile(userId);
    if (profile === null) throw new MatrixError(404, 'M_NOT_FOUND', 'There is no such user');
    return profile;
  }

  /** Null or empty removes. @throws MatrixError 400 `M_INVALID_PARAM` when it is too long */
  async setDisplayname(userId: UserId, displayname: string | null): Promise<void> {
    await this.#set(userId, { displayname: checked('displayname', displayname, MAX_DISPLAYNAME_LENGTH) });
  }

  /** Null or empty removes. @throws MatrixError 400 `M_INVALID_PARAM` when it is too long */
  async setAvatarUrl(userId: UserId, avatarUrl: string | null): Promise<void> {
    await this.#set(userId, { avatarUrl: checked('avatar_url', avatarUrl, MAX_AVATAR_URL_LENGTH) });
  }

  async #set(userId: UserId, change: Partial<StoredProfile>): Promise<void> {
    const before = await this.profileOf(userId);
    await this.#store.setProfile(userId, change);
    const after = { ...before, ...change };
    if (after.displayname === before.displayname && after.avatarUrl === before.avatarUrl) return;
    await this.#events.emit('profileChanged', userId, after);
  }
}

function checked(name: string, value: string | null, maxLength: number): string | null {
  if (value === null || value === '') return null;
  if (value.length <= maxLength) return value;
  throw new MatrixError(400, 'M_INVALID_PARAM', `'${name}' is longer than ${maxLength} characters`);
}
