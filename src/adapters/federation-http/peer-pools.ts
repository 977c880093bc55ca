/**
 * Connections to other servers, a few for each, used again while they last.
 *
 * A server with neither a request nor a connection has no entry here. When all connections are taken, the server that has been idle
 * longest gives up its own.
 */
import type { TLSSocket } from 'node:tls';
import { Client } from 'undici';
import type { ServerName } from '../../matrix/identifiers.ts';
import type { Connector } from './connector.ts';
import type { Route } from './route.ts';
import type { StepFailure } from './step-failure.ts';
import { undiciConnect } from './undici-connect.ts';

/** One connection, which is opened when it is needed, and again after it has been closed. */
export interface Line {
  readonly route: Route;
  readonly client: Client;
  /** Requests that wait for it or are under way on it. */
  running: number;
  isOpen: boolean;
  /** Where it last led to; null before. */
  address: string | null;
}

export interface PeerPoolsOptions {
  readonly connector: Pick<Connector, 'connect' | 'isFull'>;
  readonly maxConnectionsPerServer: number;
  readonly idleMs: number;
  readonly onConnectFailure: (destination: ServerName) => void;
}

/** Undici wants an origin; where a connection really goes is the connector's business. */
const ORIGIN = 'https://peer.invalid';

export class PeerPools {
  readonly #options: PeerPoolsOptions;
  /** The server that was used last is the last. */
  readonly #lines = new Map<ServerName, Line[]>();

  constructor(options: PeerPoolsOptions) {
    this.#options = options;
  }

  /** Servers of which something is kept. */
  get size(): number {
    return this.#lines.size;
  }

  /** A connection for one request; `give` it back afterwards. */
  take(destination: ServerName, route: Route): Line {
    const before = this.#lines.get(destination) ?? [];
    const lines = before.filter((line) => line.route === route);
    // The others lead to where the server was before. What is under way there may finish.
    for (const line of before) if (line.route !== route && line.running === 0) destroy(line);
    this.#lines.delete(destination);
    this.#lines.set(destination, lines);

    let line = least(lines);
    if (line === undefined || (line.running > 0 && lines.length < this.#options.maxConnectionsPerServer)) {
      line = this.#create(destination, route);
      lines.push(line);
    }
    line.running++;
    return line;
  }

  give(destination: ServerName, line: Line): void {
    line.running--;
    if (line.running > 0) return;
    const isCurrent = this.#lines.get(destination)?.includes(line) === true;
    if (!line.isOpen || !isCurrent) this.#drop(destination, line);
    else if (this.#options.connector.isFull) this.closeIdle();
  }

  /** Closes a connection of the server that has been idle longest. False if none is. */
  closeIdle(): boolean {
    for (const [destination, lines] of this.#lines) {
      const idle = lines.find((line) => line.running === 0 && line.isOpen);
      if (idle === undefined) continue;
      this.#drop(destination, idle);
      return true;
    }
    return false;
  }

  async close(failure: StepFailure): Promise<void> {
    const lines = [...this.#lines.values()].flat();
    this.#lines.clear();
    await Promise.all(lines.map(({ client }) => client.destroy(failure)));
  }

  #create(destination: ServerName, route: Route): Line {
    const line: Line = {
      route,
      running: 0,
      isOpen: false,
      address: null,
      client: new Client(ORIGIN, {
        pipelining: 1,
        keepAliveTimeout: this.#options.idleMs,
        keepAliveMaxTimeout: this.#options.idleMs,
        // Every request has a deadline of its own.
        headersTimeout: 0,
        bodyTimeout: 0,
        connect: undiciConnect(() => this.#open(destination, line)),
      }),
    };
    return line;
  }

  async #open(destination: ServerName, line: Line): Promise<TLSSocket> {
    let socket: TLSSocket;
    try {
      socket = await this.#options.connector.connect(line.route);
    } catch (error) {
      this.#options.onConnectFailure(destination);
      throw error;
    }
    line.isOpen = true;
    line.address = `${socket.remoteAddress ?? '?'} port ${socket.remotePort ?? '?'}`;
    socket.once('close', () => {
      line.isOpen = false;
      if (line.running === 0) this.#drop(destination, line);
    });
    return socket;
  }

  #drop(destination: ServerName, line: Line): void {
    const lines = this.#lines.get(destination);
    const index = lines?.indexOf(line) ?? -1;
    if (lines !== undefined && index >= 0) {
      lines.splice(index, 1);
      if (lines.length === 0) this.#lines.delete(destination);
    }
    destroy(line);
  }
}

/** The one with the fewest requests; of these, one that is open. */
function least(lines: readonly Line[]): Line | undefined {
  let best: Line | undefined;
  for (const line of lines) {
    const isBetter =
      best === undefined ||
      line.running < best.running ||
      (line.running === best.running && line.isOpen && !best.isOpen);
    if (isBetter) best = line;
  }
  return best;
}

function destroy({ client }: Line): void {
  void client.destroy().catch(() => undefined);
}
