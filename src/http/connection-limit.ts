/**
 * Bounds the number of open connections, over all listeners together, and how long they stay without a request.
 *
 * At the limit a newcomer takes the place of the connection that has waited longest without a complete request: silent,
 * idle, or with headers or a body that do not end. Whoever waits for an answer is never thrown out. Only when all of them
 * do is the newcomer refused. Idle connections are looked for now and then: Node would set a timer with each answer and
 * take it back with the next request.
 */
import type { Socket } from 'node:net';
import { Connection, ConnectionQueue } from './connection-queue.ts';

export interface ConnectionLimitOptions {
  readonly maxConnections: number;
  readonly onRejected: (reason: 'capacity' | 'evicted' | 'pipelining') => void;
}

/** Requests that one connection may have sent ahead without having their answers. */
const MAX_PIPELINED_REQUESTS = 32;

const ofSocket = Symbol('connection');

type LimitedSocket = Socket & { [ofSocket]?: Connection };

export class ConnectionLimit {
  readonly #options: ConnectionLimitOptions;
  readonly #waiting = new ConnectionQueue();
  #open = 0;

  constructor(options: ConnectionLimitOptions) {
    this.#options = options;
  }

  get open(): number {
    return this.#open;
  }

  /** A connection was accepted: counts it, or closes it. */
  accept(socket: LimitedSocket): void {
    if (this.#open >= this.#options.maxConnections && !this.#evict()) {
      this.#options.onRejected('capacity');
      socket.destroy();
      return;
    }
    const connection = new Connection(socket);
    socket[ofSocket] = connection;
    this.#open++;
    this.#waiting.add(connection);
    socket.once('close', () => {
      this.#open--;
      this.#waiting.remove(connection);
    });
  }

  /** `above`, a TLS socket, runs on `below`, which is what is counted. */
  link(above: LimitedSocket, below: LimitedSocket): void {
    if (below[ofSocket] !== undefined) above[ofSocket] = below[ofSocket];
  }

  /** The headers of a request came in. False when the connection has too many unanswered ones and was closed. */
  received(socket: LimitedSocket): boolean {
    const connection = socket[ofSocket];
    if (connection === undefined) return !socket.destroyed;
    connection.inFlight++;
    if (connection.inFlight <= MAX_PIPELINED_REQUESTS) return true;
    this.#options.onRejected('pipelining');
    connection.socket.destroy();
    return false;
  }

  /** All of a request is here, and its answer is being made. */
  working(socket: LimitedSocket): void {
    const connection = socket[ofSocket];
    if (connection !== undefined) this.#waiting.remove(connection);
  }

  /** Whether the connection has a request without an answer. */
  isBusy(socket: LimitedSocket): boolean {
    return (socket[ofSocket]?.inFlight ?? 0) > 0;
  }

  /** A request was answered, at `now` on the process's own steady clock. */
  answered(socket: LimitedSocket, now: number): void {
    const connection = socket[ofSocket];
    if (connection === undefined) return;
    connection.inFlight--;
    const raw = connection.socket;
    if (connection.inFlight > 0 || raw.destroyed) return;
    connection.idleSince = now;
    connection.bytesReadThen = raw.bytesRead;
    // At the end of the queue, also when it never left it.
    this.#waiting.add(connection);
  }

  /** Closes what has not sent a request yet: half-open requests, and handshakes that Node's server does not know of. */
  closeUnused(): void {
    for (const { socket, idleSince, inFlight } of this.#waiting) {
      if (idleSince === null && inFlight === 0) socket.destroy();
    }
  }

  /** Closes what was answered at `ts` or before and has sent nothing since. Who has begun a request has the time for requests. */
  closeIdle(ts: number): void {
    for (const { socket, idleSince, inFlight, bytesReadThen } of this.#waiting) {
      if (idleSince === null || inFlight > 0) continue;
      if (idleSince > ts) return;
      if (socket.bytesRead === bytesReadThen) socket.destroy();
    }
  }

  /** Closes everything that has no request in flight. */
  closeWaiting(): void {
    for (const { socket } of this.#waiting) socket.destroy();
  }

  /** Whether a place was made. */
  #evict(): boolean {
    const { first } = this.#waiting;
    if (first === null) return false;
    this.#waiting.remove(first);
    this.#options.onRejected('evicted');
    first.socket.destroy();
    return true;
  }
}
