/**
 * Accounts in SQLite. Every call is one transaction of a few small statements.
 */
import type { DeviceId, RoomId, UserId } from '../../matrix/identifiers.ts';
import type {
  AccountDataContent,
  AccountStore,
  DeviceSeen,
  NewSession,
  NewUser,
  StoredAccountData,
  StoredDevice,
  StoredProfile,
  StoredSession,
  StoredUser,
} from '../../ports/account-store.ts';
import type { Database } from './database.ts';
import { nextStreamPosition } from './stream.ts';

interface UserRow {
  readonly password_hash: string | null;
  readonly is_admin: number;
  readonly user_type: string | null;
  readonly creation_ts: number;
  readonly is_deactivated: number;
}

interface DeviceRow {
  readonly device_id: string;
  readonly display_name: string | null;
  readonly last_seen_ts: number | null;
  readonly last_seen_ip: string | null;
}

export class SqliteAccountStore implements AccountStore {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async createUser(user: NewUser, session: NewSession | null): Promise<{ tokenId: number | null } | false> {
    return this.#db.transaction(() => {
      const { changes } = this.#db
        .prepare(
          `INSERT INTO users (user_id, password_hash, is_admin, user_type, creation_ts, displayname)
           VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
        )
        .run(user.userId, user.passwordHash, user.isAdmin ? 1 : 0, user.userType, user.creationTs, user.displayname);
      if (changes === 0) return false;
      return { tokenId: session === null ? null : this.#putSession(session) };
    });
  }

  async findUser(userId: UserId): Promise<StoredUser | null> {
    const row = this.#db
      .prepare(
        'SELECT password_hash, is_admin, user_type, creation_ts, is_deactivated FROM users WHERE user_id = ? LIMIT 1',
      )
      .get<UserRow>(userId);
    if (row === undefined) return null;
    return {
      userId,
      passwordHash: row.password_hash,
      isAdmin: row.is_admin === 1,
      userType: row.user_type,
      creationTs: row.creation_ts,
      isDeactivated: row.is_deactivated === 1,
    };
  }

  async setPasswordHash(userId: UserId, passwordHash: string): Promise<void> {
    this.#db
      .prepare('UPDATE users SET password_hash = ? WHERE user_id = ? AND is_deactivated = 0')
      .run(passwordHash, userId);
  }

  async deactivateUser(userId: UserId): Promise<readonly DeviceId[]> {
    return this.#db.transaction(() => {
      const removed = this.#removeDevices(userId, null, null);
      this.#db.prepare('DELETE FROM filters WHERE user_id = ?').run(userId);
      this.#db.prepare('DELETE FROM account_data WHERE user_id = ?').run(userId);
      this.#db
        .prepare(
          `UPDATE users SET is_deactivated = 1, password_hash = NULL, is_admin = 0, displayname = NULL, avatar_url = NULL
           WHERE user_id = ?`,
        )
        .run(userId);
      return removed;
    });
  }

  async createSession(session: NewSession, maxDevices: number): Promise<{ tokenId: number; removed: DeviceId[] }> {
    return this.#db.transaction(() => {
      const tokenId = this.#putSession(session);
      const surplus = this.#db
        .prepare(
          `SELECT device_id FROM devices WHERE user_id = ? AND device_id <> ?
           ORDER BY coalesce(last_seen_ts, 0) DESC, device_id LIMIT -1 OFFSET ?`,
        )
        .all<{ device_id: string }>(session.userId, session.deviceId, maxDevices - 1)
        .map((row) => row.device_id);
      return { tokenId, removed: surplus.length === 0 ? [] : this.#removeDevices(session.userId, surplus, null) };
    });
  }

  async findSession(tokenHash: string): Promise<StoredSession | null> {
    const row = this.#db
      .prepare(
        `SELECT t.token_id, t.user_id, t.device_id, u.is_admin
         FROM access_tokens AS t JOIN users AS u ON u.user_id = t.user_id WHERE t.token_hash = ? LIMIT 1`,
      )
      .get<{ token_id: number; user_id: UserId; device_id: string; is_admin: number }>(tokenHash);
    if (row === undefined) return null;
    return { tokenId: row.token_id, userId: row.user_id, deviceId: row.device_id, isAdmin: row.is_admin === 1 };
  }

  async listDevices(userId: UserId): Promise<readonly StoredDevice[]> {
    return this.#db
      .prepare(
        'SELECT device_id, display_name, last_seen_ts, last_seen_ip FROM devices WHERE user_id = ? ORDER BY device_id',
      )
      .all<DeviceRow>(userId)
      .map((row) => ({
        deviceId: row.device_id,
        displayName: row.display_name,
        lastSeenTs: row.last_seen_ts,
        lastSeenIp: row.last_seen_ip,
      }));
  }

  async renameDevice(userId: UserId, deviceId: DeviceId, displayName: string | null): Promise<boolean> {
    const update = this.#db.prepare('UPDATE devices SET display_name = ? WHERE user_id = ? AND device_id = ?');
    return update.run(displayName, userId, deviceId).changes > 0;
  }

  async touchDevices(seen: readonly DeviceSeen[]): Promise<void> {
    const update = this.#db.prepare(
      'UPDATE devices SET last_seen_ts = ?, last_seen_ip = ? WHERE user_id = ? AND device_id = ?',
    );
    this.#db.transaction(() => {
      for (const { userId, deviceId, ts, ip } of seen) update.run(ts, ip, userId, deviceId);
    });
  }

  async removeDevices(
    userId: UserId,
    deviceIds: readonly DeviceId[] | null,
    except: DeviceId | null = null,
  ): Promise<readonly DeviceId[]> {
    return this.#db.transaction(() => this.#removeDevices(userId, deviceIds, except));
  }

  async findProfile(userId: UserId): Promise<StoredProfile | null> {
    const row = this.#db
      .prepare('SELECT displayname, avatar_url FROM users WHERE user_id = ? AND is_deactivated = 0 LIMIT 1')
      .get<{ displayname: string | null; avatar_url: string | null }>(userId);
    return row === undefined ? null : { displayname: row.displayname, avatarUrl: row.avatar_url };
  }

  async setProfile(userId: UserId, change: Partial<StoredProfile>): Promise<void> {
    this.#db.transaction(() => {
      if (change.displayname !== undefined) {
        const update = this.#db.prepare('UPDATE users SET displayname = ? WHERE user_id = ? AND is_deactivated = 0');
        update.run(change.displayname, userId);
      }
      if (change.avatarUrl !== undefined) {
        const update = this.#db.prepare('UPDATE users SET avatar_url = ? WHERE user_id = ? AND is_deactivated = 0');
        update.run(change.avatarUrl, userId);
      }
    });
  }

  async addFilter(userId: UserId, definition: string, maxFilters: number): Promise<string | null> {
    return this.#db.transaction(() => {
      const equal = this.#db
        .prepare('SELECT filter_id FROM filters WHERE user_id = ? AND definition = ? LIMIT 1')
        .get<{ filter_id: number }>(userId, definition);
      if (equal !== undefined) return String(equal.filter_id);
      const filterId = this.#count('SELECT count(*) AS n FROM filters WHERE user_id = ?', userId);
      if (filterId >= maxFilters) return null;
      this.#db
        .prepare('INSERT INTO filters (user_id, filter_id, definition) VALUES (?, ?, ?)')
        .run(userId, filterId, definition);
      return String(filterId);
    });
  }

  async findFilter(userId: UserId, filterId: string): Promise<string | null> {
    if (!/^(?:0|[1-9][0-9]{0,8})$/.test(filterId)) return null;
    const find = this.#db.prepare('SELECT definition FROM filters WHERE user_id = ? AND filter_id = ? LIMIT 1');
    return find.get<{ definition: string }>(userId, Number(filterId))?.definition ?? null;
  }

  async putAccountData(
    userId: UserId,
    roomId: RoomId | null,
    type: string,
    content: AccountDataContent,
    maxEntries: number,
  ): Promise<number | null> {
    const room = roomId ?? '';
    return this.#db.transaction(() => {
      const isNew = this.#readAccountData(userId, room, type) === undefined;
      if (isNew && this.#count('SELECT count(*) AS n FROM account_data WHERE user_id = ?', userId) >= maxEntries) {
        return null;
      }
      const position = nextStreamPosition(this.#db);
      this.#db
        .prepare(
          `INSERT INTO account_data (user_id, room_id, type, content, position) VALUES (?, ?, ?, ?, ?)
           ON CONFLICT (user_id, room_id, type) DO UPDATE SET content = excluded.content, position = excluded.position`,
        )
        .run(userId, room, type, JSON.stringify(content), position);
      return position;
    });
  }

  async findAccountData(userId: UserId, roomId: RoomId | null, type: string): Promise<AccountDataContent | null> {
    const content = this.#readAccountData(userId, roomId ?? '', type);
    return content === undefined ? null : (JSON.parse(content) as AccountDataContent);
  }

  async accountDataChanges(userId: UserId, since: number, upTo: number): Promise<readonly StoredAccountData[]> {
    return this.#db
      .prepare(
        `SELECT position, room_id, type, content FROM account_data
         WHERE user_id = ? AND position > ? AND position <= ? ORDER BY position`,
      )
      .all<{ position: number; room_id: string; type: string; content: string }>(userId, since, upTo)
      .map((row) => ({
        position: row.position,
        roomId: row.room_id === '' ? null : (row.room_id as RoomId),
        type: row.type,
        content: JSON.parse(row.content) as AccountDataContent,
      }));
  }

  /** In the caller's transaction. */
  #putSession({ userId, deviceId, tokenHash, displayName, now }: NewSession): number {
    this.#db
      .prepare(
        `INSERT INTO devices (user_id, device_id, display_name, last_seen_ts) VALUES (?, ?, ?, ?)
         ON CONFLICT (user_id, device_id) DO UPDATE SET last_seen_ts = excluded.last_seen_ts`,
      )
      .run(userId, deviceId, displayName, now);
    this.#db.prepare('DELETE FROM access_tokens WHERE user_id = ? AND device_id = ?').run(userId, deviceId);
    const insert = this.#db.prepare(
      'INSERT INTO access_tokens (token_hash, user_id, device_id) VALUES (?, ?, ?) RETURNING token_id',
    );
    const row = insert.get<{ token_id: number }>(tokenHash, userId, deviceId);
    if (row === undefined) throw new Error('the new token was not returned');
    return row.token_id;
  }

  /** In the caller's transaction; the tokens go with their devices. */
  #removeDevices(userId: UserId, deviceIds: readonly DeviceId[] | null, except: DeviceId | null): DeviceId[] {
    const wanted =
      deviceIds ??
      this.#db
        .prepare('SELECT device_id FROM devices WHERE user_id = ?')
        .all<{ device_id: string }>(userId)
        .map((row) => row.device_id);
    const remove = this.#db.prepare('DELETE FROM devices WHERE user_id = ? AND device_id = ?');
    return wanted.filter((deviceId) => deviceId !== except && remove.run(userId, deviceId).changes > 0);
  }

  #readAccountData(userId: UserId, room: string, type: string): string | undefined {
    return this.#db
      .prepare('SELECT content FROM account_data WHERE user_id = ? AND room_id = ? AND type = ? LIMIT 1')
      .get<{ content: string }>(userId, room, type)?.content;
  }

  #count(sql: string, userId: UserId): number {
    return this.#db.prepare(sql).get<{ n: number }>(userId)?.n ?? 0;
  }
}
