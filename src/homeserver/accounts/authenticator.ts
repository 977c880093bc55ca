/**
 * From an access token to who asks: the sessions in use are kept in memory, by the hash of their token.
 *
 * What is kept is dropped the moment a device or a token goes, so a logged-out token never works again. When a device
 * was last used is noted here and written in batches: it changes with every request and matters to the minute.
 */
import { MatrixError } from '../../matrix/errors.ts';
import type { DeviceId, UserId } from '../../matrix/identifiers.ts';
import type { AccountStore, DeviceSeen, StoredSession } from '../../ports/account-store.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import { hashAccessToken } from './access-tokens.ts';

export interface AuthenticatorOptions {
  readonly store: Pick<AccountStore, 'findSession' | 'touchDevices'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Sessions kept in memory. @default 50,000 */
  readonly maxSessions?: number;
}

/** What is asked of a request besides its token; read only when it is written down. */
export interface SeenFrom {
  /** Empty when nobody knows. */
  readonly ip: string;
}

/** How exactly "last seen" is known. */
const LAST_SEEN_GRANULARITY_MS = 120_000;
const LAST_SEEN_FLUSH_MS = 30_000;
const MAX_UNWRITTEN = 10_000;

interface Entry {
  readonly session: StoredSession;
  seenTs: number;
}

export class Authenticator {
  readonly #options: AuthenticatorOptions;
  readonly #maxSessions: number;
  readonly #entries = new Map<string, Entry>();
  /** The same entries by the tokens themselves, which saves most requests the hash. Emptied whenever a session is dropped. */
  readonly #byToken = new Map<string, Entry>();
  /** Token hashes in memory of each user, so that a logout need not look at everybody's. */
  readonly #byUser = new Map<UserId, Set<string>>();
  readonly #unwritten = new Map<string, DeviceSeen>();
  /** Counts what was dropped: a look-up that began before must not bring a dropped session back. */
  #drops = 0;
  #timer: Timer | null = null;

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
    this.#maxSessions = options.maxSessions ?? 50_000;
  }

  /** At once for a session in memory. @throws MatrixError 401 `M_UNKNOWN_TOKEN` */
  authenticate(accessToken: string, from: SeenFrom): StoredSession | Promise<StoredSession> {
    let entry = this.#byToken.get(accessToken);
    if (entry === undefined) {
      const tokenHash = hashAccessToken(accessToken);
      entry = this.#entries.get(tokenHash);
      if (entry === undefined) return this.#load(tokenHash, from);
      if (this.#byToken.size >= this.#maxSessions) this.#byToken.clear();
      this.#byToken.set(accessToken, entry);
    }
    const now = this.#options.clock.now();
    if (now - entry.seenTs >= LAST_SEEN_GRANULARITY_MS) this.#seen(entry, from, now);
    return entry.session;
  }

  /** Forgets the sessions of one device, or of all devices of a user. */
  drop(userId: UserId, deviceId: DeviceId | null): void {
    this.#drops++;
    this.#byToken.clear();
    for (const tokenHash of this.#byUser.get(userId) ?? []) {
      const entry = this.#entries.get(tokenHash);
      if (entry !== undefined && (deviceId === null || entry.session.deviceId === deviceId))
        this.#forget(tokenHash, entry);
    }
  }

  /** Writes what has not been written. */
  async flush(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = null;
    if (this.#unwritten.size === 0) return;
    const seen = [...this.#unwritten.values()];
    this.#unwritten.clear();
    try {
      await this.#options.store.touchDevices(seen);
    } catch (error) {
      // "Last seen" is a convenience: losing some of it is better than a queue that grows while the disk is full.
      this.#options.logger.warn({ err: error, devices: seen.length }, 'when devices were last seen was not written');
    }
  }

  async #load(tokenHash: string, from: SeenFrom): Promise<StoredSession> {
    const drops = this.#drops;
    const session = await this.#options.store.findSession(tokenHash);
    if (session === null) {
      throw new MatrixError(401, 'M_UNKNOWN_TOKEN', 'Unknown access token', { soft_logout: false });
    }
    if (drops === this.#drops) {
      const entry = { session, seenTs: 0 };
      this.#keep(tokenHash, entry);
      this.#seen(entry, from, this.#options.clock.now());
    }
    return session;
  }

  #keep(tokenHash: string, entry: Entry): void {
    if (this.#entries.size >= this.#maxSessions) {
      for (const [oldest, old] of this.#entries) {
        this.#forget(oldest, old);
        break;
      }
    }
    this.#entries.set(tokenHash, entry);
    const { userId } = entry.session;
    const hashes = this.#byUser.get(userId);
    if (hashes === undefined) this.#byUser.set(userId, new Set([tokenHash]));
    else hashes.add(tokenHash);
  }

  #forget(tokenHash: string, { session }: Entry): void {
    this.#entries.delete(tokenHash);
    this.#byToken.clear();
    const hashes = this.#byUser.get(session.userId);
    hashes?.delete(tokenHash);
    if (hashes?.size === 0) this.#byUser.delete(session.userId);
  }

  #seen(entry: Entry, from: SeenFrom, now: number): void {
    entry.seenTs = now;
    const { userId, deviceId } = entry.session;
    const { ip } = from;
    if (ip === '' || this.#unwritten.size >= MAX_UNWRITTEN) return;
    this.#unwritten.set(`${userId} ${deviceId}`, { userId, deviceId, ts: now, ip });
    this.#timer ??= this.#options.clock.setTimeout(() => {
      this.flush().catch(() => undefined);
    }, LAST_SEEN_FLUSH_MS);
  }
}
