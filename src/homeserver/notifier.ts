/**
 * Wakes the long polls of users for whom something is new, and remembers how new the rooms' part of it is.
 *
 * A poll subscribes *before* it computes: a wake-up that arrives while it computes is kept, so nothing falls between
 * computing and waiting. Presence wakes without moving `lastPosition`, which is how a poll that was woken by presence
 * alone knows that it need not look at the rooms.
 */
import type { UserId } from '../matrix/identifiers.ts';
import type { Clock } from '../ports/clock.ts';
import { DeadlineBuckets } from './deadline-buckets.ts';
import { LastPositions } from './last-positions.ts';

/** Why a wait ended. `displaced`: the user opened too many polls and this was the oldest. `stopped`: the server stops. */
export type WaitResult = 'woken' | 'timeout' | 'aborted' | 'displaced' | 'stopped';

export interface NotifierOptions {
  readonly clock: Clock;
  /** Newest position of the homeserver stream: nobody has anything newer. */
  readonly startPosition: number;
  /** Newest serial of typing. */
  readonly startTypingSerial: number;
  /** Open subscriptions per user; one more ends the oldest. @default 100 */
  readonly maxWaitersPerUser?: number;
  /** Users whose last position is known exactly; of others only an upper bound. @default 100,000 */
  readonly maxTrackedUsers?: number;
  /** How late a timeout may be. @default 50 ms */
  readonly timeoutSliceMs?: number;
}

/** One poll's place in the queue. */
export interface Subscription extends Disposable {
  /**
   * Resolves at once when something happened since `subscribe` or since the last `wait` resolved, else when something
   * does or `timeoutMs` have passed. One wait at a time. After `aborted`, `displaced` or `stopped` it stays so.
   */
  wait(timeoutMs: number): Promise<WaitResult>;
  /** Ends the present wait and every later one with `aborted`: the client is gone. */
  abort(): void;
  /** Leaves the queue. Idempotent. */
  dispose(): void;
}

export class Notifier {
  readonly #clock: Clock;
  readonly #maxWaitersPerUser: number;
  readonly #waiters = new Map<UserId, Set<Waiter>>();
  readonly #positions: LastPositions;
  readonly #typing: LastPositions;
  readonly #deadlines: DeadlineBuckets<Waiter>;
  #newestPosition: number;
  #count = 0;
  #stopped = false;

  constructor(options: NotifierOptions) {
    this.#clock = options.clock;
    this.#maxWaitersPerUser = options.maxWaitersPerUser ?? 100;
    this.#newestPosition = options.startPosition;
    const maxTrackedUsers = options.maxTrackedUsers ?? 100_000;
    this.#positions = new LastPositions(options.startPosition, maxTrackedUsers);
    this.#typing = new LastPositions(options.startTypingSerial, maxTrackedUsers);
    this.#deadlines = new DeadlineBuckets(options.clock, options.timeoutSliceMs ?? 50, (waiter) =>
      waiter.end('timeout'),
    );
  }

  /** Something of the homeserver stream up to `position` concerns `users`, and it is durable: wakes them. */
  notify(users: Iterable<UserId>, position: number): void {
    if (position > this.#newestPosition) this.#newestPosition = position;
    for (const userId of users) {
      this.#positions.raise(userId, position);
      this.#wakeOne(userId);
    }
  }

  /** The typing of a room changed, up to `serial`, and `users` are in it: wakes them. */
  notifyTyping(users: Iterable<UserId>, serial: number): void {
    for (const userId of users) {
      this.#typing.raise(userId, serial);
      this.#wakeOne(userId);
    }
  }

  /** Presence is new for `users`: wakes them, and tells them that the rooms have nothing to do with it. */
  wake(users: Iterable<UserId>): void {
    for (const userId of users) this.#wakeOne(userId);
  }

  /** Newest position that anybody was told of; the database may be a moment ahead. */
  get newestPosition(): number {
    return this.#newestPosition;
  }

  /** No homeserver position above this one concerns the user: exact, or an upper bound for users long quiet. */
  lastPosition(userId: UserId): number {
    return this.#positions.get(userId);
  }

  /** The same for the serial of typing. */
  lastTypingSerial(userId: UserId): number {
    return this.#typing.get(userId);
  }

  /** Joins the queue. Call it before computing what is new, and `dispose()` in any case. */
  subscribe(userId: UserId): Subscription {
    let waiters = this.#waiters.get(userId);
    if (waiters === undefined) {
      waiters = new Set();
      this.#waiters.set(userId, waiters);
    }
    if (waiters.size >= this.#maxWaitersPerUser) {
      for (const oldest of waiters) {
        oldest.close('displaced');
        this.#leave(userId, oldest);
        break;
      }
      // The last one out takes the set with it.
      this.#waiters.set(userId, waiters);
    }
    const waiter: Waiter = new Waiter(this.#clock, this.#deadlines, () => this.#leave(userId, waiter));
    if (this.#stopped) waiter.close('stopped');
    waiters.add(waiter);
    this.#count += 1;
    return waiter;
  }

  /** Ends every wait, present and future, with `stopped`. */
  stop(): void {
    this.#stopped = true;
    for (const waiters of this.#waiters.values()) for (const waiter of waiters) waiter.close('stopped');
  }

  /** For metrics: open subscriptions, users with one, timers in use, users with an exact position. */
  get stats(): {
    readonly waiters: number;
    readonly users: number;
    readonly timers: number;
    readonly positions: number;
  } {
    return {
      waiters: this.#count,
      users: this.#waiters.size,
      timers: this.#deadlines.size,
      positions: this.#positions.size,
    };
  }

  #wakeOne(userId: UserId): void {
    const waiters = this.#waiters.get(userId);
    if (waiters !== undefined) for (const waiter of waiters) waiter.end('woken');
  }

  #leave(userId: UserId, waiter: Waiter): void {
    const waiters = this.#waiters.get(userId);
    if (waiters === undefined || !waiters.delete(waiter)) return;
    this.#count -= 1;
    if (waiters.size === 0) this.#waiters.delete(userId);
  }
}

class Waiter implements Subscription {
  readonly #clock: Clock;
  readonly #deadlines: DeadlineBuckets<Waiter>;
  readonly #leave: () => void;
  #resolve: ((result: WaitResult) => void) | null = null;
  #slot = 0;
  #woken = false;
  /** Set once the subscription is over for good. */
  #closed: WaitResult | null = null;

  constructor(clock: Clock, deadlines: DeadlineBuckets<Waiter>, leave: () => void) {
    this.#clock = clock;
    this.#deadlines = deadlines;
    this.#leave = leave;
  }

  wait(timeoutMs: number): Promise<WaitResult> {
    if (this.#closed !== null) return Promise.resolve(this.#closed);
    if (this.#woken) {
      this.#woken = false;
      return Promise.resolve('woken');
    }
    if (timeoutMs <= 0) return Promise.resolve('timeout');
    return new Promise((resolve) => {
      this.#resolve = resolve;
      this.#slot = this.#deadlines.add(this, this.#clock.now() + timeoutMs);
    });
  }

  /** Ends the present wait; a wake-up that finds none is kept for the next. */
  end(result: WaitResult): void {
    const resolve = this.#resolve;
    if (resolve === null) {
      if (result === 'woken') this.#woken = true;
      return;
    }
    this.#resolve = null;
    this.#deadlines.remove(this, this.#slot);
    resolve(result);
  }

  close(result: WaitResult): void {
    this.#closed ??= result;
    this.end(result);
  }

  abort(): void {
    this.close('aborted');
  }

  dispose(): void {
    this.close('aborted');
    this.#leave();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
