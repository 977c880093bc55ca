/**
 * How many requests may be open, and how many bytes they may hold, for one server and in all.
 */
import type { ServerName } from '../../matrix/identifiers.ts';
import { StepFailure } from './step-failure.ts';

export interface RequestLimitOptions {
  readonly maxRequests: number;
  readonly maxRequestsPerServer: number;
  /** Of bodies that wait or are being sent. */
  readonly maxBytes: number;
}

export class RequestLimits {
  readonly #options: RequestLimitOptions;
  readonly #perServer = new Map<ServerName, number>();
  #requests = 0;
  #bytes = 0;

  constructor(options: RequestLimitOptions) {
    this.#options = options;
  }

  get requests(): number {
    return this.#requests;
  }

  /** @throws StepFailure `busy` */
  enter(destination: ServerName, bytes: number): void {
    const { maxRequests, maxRequestsPerServer, maxBytes } = this.#options;
    const here = this.#perServer.get(destination) ?? 0;
    if (here >= maxRequestsPerServer) throw new StepFailure('busy', `${here} requests to it are open already`);
    if (this.#requests >= maxRequests) {
      throw new StepFailure('busy', `${this.#requests} requests to other servers are open already`);
    }
    // One body that is larger than all of them may be is let through alone.
    if (this.#bytes > 0 && this.#bytes + bytes > maxBytes) {
      throw new StepFailure('busy', `${this.#bytes} bytes wait to be sent to other servers already`);
    }
    this.#perServer.set(destination, here + 1);
    this.#requests++;
    this.#bytes += bytes;
  }

  leave(destination: ServerName, bytes: number): void {
    const here = (this.#perServer.get(destination) ?? 1) - 1;
    if (here === 0) this.#perServer.delete(destination);
    else this.#perServer.set(destination, here);
    this.#requests--;
    this.#bytes -= bytes;
  }
}
