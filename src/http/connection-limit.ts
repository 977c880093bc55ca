/**
 * Bounds the number of open connections, over all listeners together.
 *
 * At the limit a newcomer takes the place of the connection that has waited longest without a complete request: silent,
 * idle, or with headers or a body that do not end. Whoever waits for an answer is never thrown out. Only when all of them
 * do is the newcomer refused.
 */
import type { Socket } from 'node:net';

export interface ConnectionLimitOptions {
  readonly maxConnections: number;
  readonly onRejected: (reason: 'capacity' | 'evicted' | 'pipelining') => void;
}

/** Requests that one connection may have sent ahead without having their answers. */
const MAX_PIPELINED_REQUESTS = 32;

const requestsInFlight = Symbol('requests in flight');
/** On a TLS socket: the connection below it, which is what is counted. */
export const rawSocket = Symbol('raw socket');

export type LimitedSocket = Socket & { [requestsInFlight]?: number; [rawSocket]?: LimitedSocket };

export class ConnectionLimit {
  readonly #options: ConnectionLimitOptions;
  /** Connections without a complete request; the one that has waited longest comes first. */
  readonly #waiting = new Set<LimitedSocket>();
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
    this.#open++;
    this.#waiting.add(socket);
    socket.once('close', () => {
      this.#open--;
      this.#waiting.delete(socket);
    });
  }

  /** The headers of a request came in. False when the connection has too many unanswered ones and was closed. */
  received(socket: LimitedSocket): boolean {
    const raw = socket[rawSocket] ?? socket;
    const inFlight = (raw[requestsInFlight] ?? 0) + 1;
    raw[requestsInFlight] = inFlight;
    if (inFlight <= MAX_PIPELINED_REQUESTS) return true;
    this.#options.onRejected('pipelining');
    raw.destroy();
    return false;
  }

  /** All of a request is here, and its answer is being made. */
  working(socket: LimitedSocket): void {
    this.#waiting.delete(socket[rawSocket] ?? socket);
  }

  /** Whether the connection has a request without an answer. */
  isBusy(socket: LimitedSocket): boolean {
    return ((socket[rawSocket] ?? socket)[requestsInFlight] ?? 0) > 0;
  }

  /** A request was answered. */
  idle(socket: LimitedSocket): void {
    const raw = socket[rawSocket] ?? socket;
    const inFlight = (raw[requestsInFlight] ?? 1) - 1;
    raw[requestsInFlight] = inFlight;
    if (inFlight > 0 || raw.destroyed) return;
    // At the end of the queue, also when it never left it.
    this.#waiting.delete(raw);
    this.#waiting.add(raw);
  }

  /** Closes what has not sent a request yet: half-open requests, and handshakes that Node's server does not know of. */
  closeUnused(): void {
    for (const socket of this.#waiting) if (socket[requestsInFlight] === undefined) socket.destroy();
  }

  /** Closes everything that has no request in flight. */
  closeWaiting(): void {
    for (const socket of this.#waiting) socket.destroy();
  }

  /** Whether a place was made. */
  #evict(): boolean {
    for (const socket of this.#waiting) {
      this.#waiting.delete(socket);
      this.#options.onRejected('evicted');
      socket.destroy();
      return true;
    }
    return false;
  }
}
