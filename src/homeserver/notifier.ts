/**
 * Wakes the long polls of users for whom something is new, and remembers how new the rooms' part of it is.
 *
 * A poll subscribes *before* it computes: a wake-up that arrives while it computes is kept, so nothing falls between
 * computing and waiting. Presence wakes without moving `lastPosition`, which is how a poll that was woken by presence
 * alone knows that it need not look at the rooms.
 */
import type { UserId } from '../matrix/identifiers.ts';
import type { Clock } from '../ports/clock.ts';
import { Deadline, DeadlineBuckets } from './deadline-buckets.ts';
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

/** Who is told how a wait ended. No promise: thousands of polls end in one turn, and each promise is one more thing to collect. */
export interface WaitListener {
  /** Called once for each `wait`, in a later microtask, never within `wait`. Must not throw. */
  waitEnded(result: WaitResult): void;
}

/** One poll's place in the queue. */
export interface Subscription extends Disposable {
  /**
   * Ends at once when something happened since `subscribe` or since the last wait ended, else when something does or
   * `deadlineTs` has passed. One wait at a time. After `aborted`, `displaced` or `stopped` it stays so.
   */
  wait(deadlineTs: number, listener: WaitListener): void;
  /** Ends the present wait and every later one with `aborted`: the client is gone. */
  abort(): void;
  /** Leaves the queue; a wait that has not ended by now never does. Idempotent. */
  dispose(): void;
}

/** Small servers never sweep. */
const MIN_USERS_BEFORE_SWEEP = 1000;

export class Notifier {
  readonly #maxWaitersPerUser: number;
  /** Oldest first. The list of a user stays when it empties, because they will soon poll again; see `#sweep`. */
  readonly #waiters = new Map<UserId, Waiter[]>();
  readonly #positions: LastPositions;
  readonly #typing: LastPositions;
  readonly #deadlines: DeadlineBuckets;
  #newestPosition: number;
  #count = 0;
  #users = 0;
  /** Waiters whose waits have ended and whose listeners are to be told. */
  #ended: Waiter[] = [];
  #stopped = false;

  constructor(options: NotifierOptions) {
    this.#maxWaitersPerUser = options.maxWaitersPerUser ?? 100;
    this.#newestPosition = options.startPosition;
    const maxTrackedUsers = options.maxTrackedUsers ?? 100_000;
    this.#positions = new LastPositions(options.startPosition, maxTrackedUsers);
    this.#typing = new LastPositions(options.startTypingSerial, maxTrackedUsers);
    this.#deadlines = new DeadlineBuckets(options.clock, options.timeoutSliceMs ?? 50);
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
      this.#sweep();
      waiters = [];
      this.#waiters.set(userId, waiters);
    }
    if (waiters.length >= this.#maxWaitersPerUser) waiters[0]?.displace();
    const waiter = new Waiter(this.#deadlines, this, waiters);
    if (this.#stopped) waiter.close('stopped');
    waiters.push(waiter);
    this.#count += 1;
    if (waiters.length === 1) this.#users += 1;
    return waiter;
  }

  /** Ends every wait, present and future, with `stopped`. */
  stop(): void {
    this.#stopped = true;
    for (const waiters of this.#waiters.values()) for (const waiter of waiters) waiter.close('stopped');
  }

  /** For metrics: open subscriptions, users with one, lists kept for users, timers in use, users with an exact position. */
  get stats(): {
    readonly waiters: number;
    readonly users: number;
    readonly lists: number;
    readonly timers: number;
    readonly positions: number;
  } {
    return {
      waiters: this.#count,
      users: this.#users,
      lists: this.#waiters.size,
      timers: this.#deadlines.size,
      positions: this.#positions.size,
    };
  }

  /** A waiter has left its list, and was the last one in it or not. */
  left(wasLast: boolean): void {
    this.#count -= 1;
    if (wasLast) this.#users -= 1;
  }

  /** A wait has ended: its listener is told when the present step is over, together with all others. */
  ended(waiter: Waiter): void {
    if (this.#ended.length === 0) {
      queueMicrotask(() => {
        const ended = this.#ended;
        this.#ended = [];
        for (const one of ended) one.tell();
      });
    }
    this.#ended.push(waiter);
  }

  #wakeOne(userId: UserId): void {
    const waiters = this.#waiters.get(userId);
    if (waiters !== undefined) for (const waiter of waiters) waiter.end('woken');
  }

  /** Forgets users without a poll once there are more of them than of others. */
  #sweep(): void {
    if (this.#waiters.size < 2 * this.#count + MIN_USERS_BEFORE_SWEEP) return;
    for (const [userId, waiters] of this.#waiters) if (waiters.length === 0) this.#waiters.delete(userId);
  }
}

class Waiter extends Deadline implements Subscription {
  readonly #deadlines: DeadlineBuckets;
  readonly #notifier: Notifier;
  readonly #siblings: Waiter[];
  #listener: WaitListener | null = null;
  /** How the present wait ended, until the listener is told. */
  #result: WaitResult | null = null;
  #isWoken = false;
  /** Set once the subscription is over for good. */
  #closed: WaitResult | null = null;

  constructor(deadlines: DeadlineBuckets, notifier: Notifier, siblings: Waiter[]) {
    super();
    this.#deadlines = deadlines;
    this.#notifier = notifier;
    this.#siblings = siblings;
  }

  wait(deadlineTs: number, listener: WaitListener): void {
    this.#listener = listener;
    if (this.#closed !== null) {
      this.end(this.#closed);
    } else if (this.#isWoken) {
      this.#isWoken = false;
      this.end('woken');
    } else {
      this.#deadlines.add(this, deadlineTs);
    }
  }

  /** Ends the present wait; a wake-up that finds none is kept for the next. */
  end(result: WaitResult): void {
    if (this.#listener === null || this.#result !== null) {
      if (result === 'woken') this.#isWoken = true;
      return;
    }
    this.#result = result;
    this.#deadlines.remove(this);
    this.#notifier.ended(this);
  }

  tell(): void {
    const listener = this.#listener;
    const result = this.#result;
    this.#listener = null;
    this.#result = null;
    if (listener !== null && result !== null) listener.waitEnded(result);
  }

  close(result: WaitResult): void {
    this.#closed ??= result;
    this.end(result);
  }

  abort(): void {
    this.close('aborted');
  }

  expire(): void {
    this.end('timeout');
  }

  displace(): void {
    this.close('displaced');
    this.#leave();
  }

  dispose(): void {
    this.#closed ??= 'aborted';
    this.#listener = null;
    this.#deadlines.remove(this);
    this.#leave();
  }

  #leave(): void {
    const at = this.#siblings.indexOf(this);
    if (at === -1) return;
    this.#siblings.splice(at, 1);
    this.#notifier.left(this.#siblings.length === 0);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
