/**
 * The connections that have no complete request at present; the one that has waited longest comes first.
 *
 * A list through the connections themselves: each of them leaves and comes back with every request. Its times only grow, so
 * whoever has waited for too long is found from the front.
 */
import type { Socket } from 'node:net';

/** One connection, whatever runs on it. */
export class Connection {
  readonly socket: Socket;
  /** Requests without an answer. */
  inFlight = 0;
  /** When its last answer was given, on the process's own steady clock, and what had been read until then; null before the first. */
  idleSince: number | null = null;
  bytesReadThen = 0;
  isQueued = false;
  previous: Connection | null = null;
  next: Connection | null = null;

  constructor(socket: Socket) {
    this.socket = socket;
  }
}

export class ConnectionQueue {
  #first: Connection | null = null;
  #last: Connection | null = null;

  get first(): Connection | null {
    return this.#first;
  }

  /** At the end, also when it is in the queue already. */
  add(connection: Connection): void {
    this.remove(connection);
    connection.isQueued = true;
    connection.previous = this.#last;
    if (this.#last === null) this.#first = connection;
    else this.#last.next = connection;
    this.#last = connection;
  }

  /** Harmless when it is not in the queue. */
  remove(connection: Connection): void {
    if (!connection.isQueued) return;
    const { previous, next } = connection;
    if (previous === null) this.#first = next;
    else previous.next = next;
    if (next === null) this.#last = previous;
    else next.previous = previous;
    connection.isQueued = false;
    connection.previous = null;
    connection.next = null;
  }

  /** Front to back; the one that is visited may leave. */
  *[Symbol.iterator](): Generator<Connection> {
    for (let one = this.#first; one !== null; ) {
      const { next } = one;
      yield one;
      one = next;
    }
  }
}
