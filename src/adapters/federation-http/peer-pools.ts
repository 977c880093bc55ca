/**
 * Connections to other servers, a few for each, used again while they last.
 *
 * A server with neither a request nor a connection has no entry here. When all connections are taken, the server that has been idle
 * longest gives up its own.
 */
import type { TLSSocket } from 'node:tls';
import { Pool } from 'undici';
import type { ServerName } from '../../matrix/identifiers.ts';
import type { Connector } from './connector.ts';
import type { Route } from './route.ts';
import type { StepFailure } from './step-failure.ts';
import { undiciConnect } from './undici-connect.ts';

export interface Peer {
  readonly route: Route;
  readonly pool: Pool;
  /** Requests that wait or are under way. */
  running: number;
  /** Open connections. */
  open: number;
  /** The newest connection's address and port; null before the first. */
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
  /** The one that was used last is the last. */
  readonly #peers = new Map<ServerName, Peer>();

  constructor(options: PeerPoolsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#peers.size;
  }

  /** For one request; `give` it back afterwards. */
  take(destination: ServerName, route: Route): Peer {
    let peer = this.#peers.get(destination);
    if (peer !== undefined) this.#peers.delete(destination);
    if (peer !== undefined && peer.route !== route) {
      // It has moved. What is under way there may finish.
      void peer.pool.close().catch(() => undefined);
      peer = undefined;
    }
    peer ??= this.#create(destination, route);
    this.#peers.set(destination, peer);
    peer.running++;
    return peer;
  }

  give(destination: ServerName, peer: Peer): void {
    peer.running--;
    if (peer.running > 0) return;
    if (peer.open === 0) this.#drop(destination, peer);
    else if (this.#options.connector.isFull) this.closeIdle();
  }

  /** Closes the connections of the server that has been idle longest. False if none is. */
  closeIdle(): boolean {
    for (const [destination, peer] of this.#peers) {
      if (peer.running > 0 || peer.open === 0) continue;
      this.#drop(destination, peer);
      return true;
    }
    return false;
  }

  async close(failure: StepFailure): Promise<void> {
    const peers = [...this.#peers.values()];
    this.#peers.clear();
    await Promise.all(peers.map(({ pool }) => pool.destroy(failure)));
  }

  #create(destination: ServerName, route: Route): Peer {
    const peer: Peer = {
      route,
      running: 0,
      open: 0,
      address: null,
      pool: new Pool(ORIGIN, {
        connections: this.#options.maxConnectionsPerServer,
        pipelining: 1,
        keepAliveTimeout: this.#options.idleMs,
        keepAliveMaxTimeout: this.#options.idleMs,
        // Every request has a deadline of its own.
        headersTimeout: 0,
        bodyTimeout: 0,
        connect: undiciConnect(() => this.#open(destination, peer)),
      }),
    };
    return peer;
  }

  async #open(destination: ServerName, peer: Peer): Promise<TLSSocket> {
    let socket: TLSSocket;
    try {
      socket = await this.#options.connector.connect(peer.route);
    } catch (error) {
      this.#options.onConnectFailure(destination);
      throw error;
    }
    peer.open++;
    peer.address = `${socket.remoteAddress ?? '?'} port ${socket.remotePort ?? '?'}`;
    socket.once('close', () => {
      peer.open--;
      if (peer.open === 0 && peer.running === 0) this.#drop(destination, peer);
    });
    return socket;
  }

  #drop(destination: ServerName, peer: Peer): void {
    if (this.#peers.get(destination) === peer) this.#peers.delete(destination);
    void peer.pool.destroy().catch(() => undefined);
  }
}
