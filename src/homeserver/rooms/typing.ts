/**
 * Who is typing where. The one thing about rooms that is kept in memory only: it ends by itself within half a minute.
 *
 * Every change of a room's list gets a serial, larger than all before it, over restarts, too: the first one is the time of
 * the start in milliseconds. Source: Matrix specification, client-server API, "Typing Notifications".
 */
import type { RoomId, UserId } from '../../matrix/identifiers.ts';
import type { Clock, Timer } from '../../ports/clock.ts';

export const MAX_TYPING_MS = 30_000;
/** Typing users over all rooms; beyond it the ones who have typed longest stop. */
const MAX_TYPING_USERS = 10_000;
/** Rooms whose newest serial is remembered after the last one stopped. */
const MAX_QUIET_ROOMS = 10_000;

export interface TypingOptions {
  readonly clock: Clock;
  /** Told after each change of a room's list. */
  readonly onChange: (roomId: RoomId, serial: number) => void;
}

interface RoomTyping {
  serial: number;
  readonly users: Set<UserId>;
}

export class Typing {
  readonly #clock: Clock;
  readonly #onChange: TypingOptions['onChange'];
  /** By newest change, oldest first. */
  readonly #rooms = new Map<RoomId, RoomTyping>();
  /** By room and user, longest first. */
  readonly #timers = new Map<string, { readonly roomId: RoomId; readonly userId: UserId; readonly timer: Timer }>();
  #serial: number;

  constructor(options: TypingOptions) {
    this.#clock = options.clock;
    this.#onChange = options.onChange;
    this.#serial = options.clock.now();
  }

  /** Serial of the newest change anywhere. */
  get serial(): number {
    return this.#serial;
  }

  /** Starts or goes on typing, for `timeoutMs` (at most 30 s). */
  start(roomId: RoomId, userId: UserId, timeoutMs: number): void {
    const isNew = !this.#drop(roomId, userId);
    const timer = this.#clock.setTimeout(
      () => this.stop(roomId, userId),
      Math.min(Math.max(timeoutMs, 1), MAX_TYPING_MS),
    );
    this.#timers.set(timerKey(roomId, userId), { roomId, userId, timer });
    if (isNew) this.#change(roomId, (users) => users.add(userId));
    if (this.#timers.size <= MAX_TYPING_USERS) return;
    for (const oldest of this.#timers.values()) {
      this.stop(oldest.roomId, oldest.userId);
      break;
    }
  }

  /** Stops; harmless for somebody who is not typing. */
  stop(roomId: RoomId, userId: UserId): void {
    if (this.#drop(roomId, userId)) this.#change(roomId, (users) => users.delete(userId));
  }

  /** Who types in the room, if that changed after `since`; else null. */
  changedSince(roomId: RoomId, since: number): readonly UserId[] | null {
    const room = this.#rooms.get(roomId);
    return room === undefined || room.serial <= since ? null : [...room.users];
  }

  /** Rooms whose list changed after `since`. */
  *roomsChangedSince(since: number): Generator<RoomId> {
    if (this.#serial <= since) return;
    for (const [roomId, { serial }] of this.#rooms) if (serial > since) yield roomId;
  }

  /** Ends all timers. */
  close(): void {
    for (const { timer } of this.#timers.values()) timer.cancel();
    this.#timers.clear();
    this.#rooms.clear();
  }

  get size(): number {
    return this.#timers.size;
  }

  #drop(roomId: RoomId, userId: UserId): boolean {
    const key = timerKey(roomId, userId);
    this.#timers.get(key)?.timer.cancel();
    return this.#timers.delete(key);
  }

  #change(roomId: RoomId, apply: (users: Set<UserId>) => void): void {
    const room = this.#rooms.get(roomId) ?? { serial: 0, users: new Set<UserId>() };
    apply(room.users);
    this.#serial += 1;
    room.serial = this.#serial;
    this.#rooms.delete(roomId);
    this.#rooms.set(roomId, room);
    if (this.#rooms.size > MAX_QUIET_ROOMS) this.#forgetQuietRoom();
    this.#onChange(roomId, this.#serial);
  }

  #forgetQuietRoom(): void {
    for (const [roomId, { users }] of this.#rooms) {
      if (users.size > 0) continue;
      this.#rooms.delete(roomId);
      return;
    }
  }
}

function timerKey(roomId: RoomId, userId: UserId): string {
  return `${roomId}\0${userId}`;
}
