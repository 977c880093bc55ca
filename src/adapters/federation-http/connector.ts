/**
 * Opens TLS connections along a route, to addresses that the guard allows, and never more of them than `maxConnections`.
 *
 * Every address is looked at right before it is connected to, and it is the address that is connected to, not the name: what a
 * name stands for cannot change in between. That holds for literal addresses, SRV targets and redirects alike.
 */
import { isIP, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { PeerErrorKind } from '../../ports/peer-client.ts';
import type { IpRanges } from './ip-ranges.ts';
import type { NameResolver } from './name-resolver.ts';
import { openSocket } from './open-socket.ts';
import type { Route, RouteTarget } from './route.ts';
import { secureSocket } from './secure-socket.ts';
import { inSrvOrder } from './srv-order.ts';
import { asStepFailure, StepFailure } from './step-failure.ts';
import type { TlsPolicy } from './tls-policy.ts';

export interface ConnectorOptions {
  readonly clock: Clock;
  readonly resolver: NameResolver;
  readonly ranges: IpRanges;
  readonly tls: TlsPolicy;
  readonly random: () => number;
  readonly maxConnections: number;
  /** For TCP, and again for the handshake. */
  readonly connectTimeoutMs: number;
  /** Asked to close a connection that nobody needs; false if all are needed. */
  readonly makeRoom: () => boolean;
}

export interface Connector {
  /** @throws StepFailure */
  connect(route: Route): Promise<TLSSocket>;
  /** Connections, those that are being opened included. */
  readonly connections: number;
  /** Whether somebody waits for another connection to close. */
  readonly isFull: boolean;
  /** Sockets that `close` would destroy. */
  readonly sockets: number;
  close(): void;
}

const MAX_TARGETS = 8;
const MAX_ADDRESSES = 6;
const STAGGER_MS = 300;
/** What is said when several targets have failed in different ways: the one that an administrator can do most about. */
const TELLING: readonly PeerErrorKind[] = ['closed', 'certificate', 'refused', 'unreachable', 'timeout', 'not_found'];

export function createConnector(options: ConnectorOptions): Connector {
  const { clock, resolver, ranges, tls, connectTimeoutMs } = options;
  const sockets = new Set<Socket>();
  const waiting = new Set<(failure: StepFailure | null) => void>();
  let taken = 0;
  let closed = false;

  const takeSlot = async (): Promise<void> => {
    if (taken < options.maxConnections) {
      taken++;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      let timer: Timer | null = null;
      const settle = (failure: StepFailure | null): void => {
        waiting.delete(settle);
        timer?.cancel();
        if (failure === null) resolve();
        else reject(failure);
      };
      waiting.add(settle);
      timer = clock.setTimeout(() => {
        settle(new StepFailure('busy', `all ${options.maxConnections} connections to other servers are in use`));
      }, connectTimeoutMs);
      options.makeRoom();
    });
  };
  /** A slot goes straight to whoever has waited longest. */
  const giveSlot = (): void => {
    const [first] = waiting;
    if (first === undefined) taken--;
    else first(null);
  };

  const onSocket = (socket: Socket): void => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    if (closed) socket.destroy();
  };

  const allowed = async (target: RouteTarget): Promise<readonly string[]> => {
    const found = isIP(target.host) === 0 ? await resolver.addresses(target.host) : [target.host];
    const usable = found.filter((address) => ranges.allows(address)).slice(0, MAX_ADDRESSES);
    if (usable.length > 0) return usable;
    const what = isIP(target.host) === 0 ? `${target.host} is ${found.slice(0, 3).join(', ')}` : target.host;
    throw new StepFailure('refused', `${what}: in a range of addresses that is not connected to (ip_range_blacklist)`);
  };

  const reach = async (target: RouteTarget, tlsName: string): Promise<TLSSocket> => {
    const addresses = await allowed(target);
    const socket = await openSocket(addresses, target.port, {
      clock,
      timeoutMs: connectTimeoutMs,
      staggerMs: STAGGER_MS,
      onSocket,
    });
    // From now on the TLS socket owns it: this one never says that it is closed, and destroying it first can crash Node.
    sockets.delete(socket);
    return secureSocket(socket, tlsName, { policy: tls, clock, timeoutMs: connectTimeoutMs, onSocket });
  };

  const reachAny = async (route: Route): Promise<TLSSocket> => {
    const failures: StepFailure[] = [];
    for (const target of inSrvOrder(route.targets, options.random).slice(0, MAX_TARGETS)) {
      if (closed) throw new StepFailure('closed', 'this server is stopping');
      try {
        return await reach(target, route.tlsName);
      } catch (error) {
        failures.push(asStepFailure(error, 'unreachable', `${target.host} failed`));
      }
    }
    throw mostTelling(failures);
  };

  return {
    async connect(route) {
      await takeSlot();
      try {
        const socket = await reachAny(route);
        if (socket.destroyed) throw new StepFailure('unreachable', 'the connection broke at once');
        socket.once('close', giveSlot);
        return socket;
      } catch (error) {
        giveSlot();
        throw error;
      }
    },
    get connections() {
      return taken;
    },
    get isFull() {
      return waiting.size > 0;
    },
    get sockets() {
      return sockets.size;
    },
    close() {
      closed = true;
      for (const settle of waiting) settle(new StepFailure('closed', 'this server is stopping'));
      for (const socket of sockets) socket.destroy();
    },
  };
}

function mostTelling(failures: readonly StepFailure[]): StepFailure {
  const [first] = [...failures].sort((a, b) => TELLING.indexOf(a.kind) - TELLING.indexOf(b.kind));
  if (first === undefined) return new StepFailure('not_found', 'nothing to connect to');
  if (failures.length === 1) return first;
  return new StepFailure(first.kind, failures.map(({ message }) => message).join('; '), { cause: first });
}
