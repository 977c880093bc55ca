/**
 * One at a time for each room: whoever changes a room reads its state and appends to it without anybody in between.
 *
 * Rooms that nobody is waiting for take no memory. The queue of one room is limited: beyond it the caller is told to try
 * again rather than kept waiting without end.
 */
import { MatrixError } from '../../matrix/errors.ts';

const MAX_QUEUE = 1_000;
const RETRY_AFTER_MS = 1_000;

export class RoomLock {
  readonly #tails = new Map<string, { promise: Promise<unknown>; length: number }>();

  /** Runs `work` when everything that asked for the room before has ended, however it ended. Not reentrant. */
  run<T>(roomId: string, work: () => Promise<T>): Promise<T> {
    const queue = this.#tails.get(roomId) ?? { promise: Promise.resolve(), length: 0 };
    if (queue.length >= MAX_QUEUE) {
      throw new MatrixError(429, 'M_LIMIT_EXCEEDED', 'Too many people are writing to this room', {
        retry_after_ms: RETRY_AFTER_MS,
      });
    }
    queue.length += 1;
    const result = this.#runAfter(queue.promise, work, () => {
      queue.length -= 1;
      if (queue.length === 0) this.#tails.delete(roomId);
    });
    // Whoever comes next waits for the end, not for the success.
    queue.promise = result.catch(() => undefined);
    this.#tails.set(roomId, queue);
    return result;
  }

  async #runAfter<T>(before: Promise<unknown>, work: () => Promise<T>, done: () => void): Promise<T> {
    await before;
    try {
      return await work();
    } finally {
      done();
    }
  }

  /** Rooms somebody is writing to. */
  get size(): number {
    return this.#tails.size;
  }
}
