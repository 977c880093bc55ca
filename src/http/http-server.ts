/**
 * The HTTP side as a whole: several listeners, one dispatcher, limits that can be changed, and an end in good order.
 *
 * Bare `node:http` with a router of our own (docs/adr/0009): presence is many small requests, and a framework would be a
 * large part of the cost of each.
 */
import { MatrixError } from '../matrix/errors.ts';
import type { DeviceId, UserId } from '../matrix/identifiers.ts';
import type { Logger } from '../ports/logger.ts';
import type { Metrics } from '../ports/metrics.ts';
import { ConnectionLimit } from './connection-limit.ts';
import { type Authenticate, Dispatcher } from './dispatcher.ts';
import type { Lifecycle } from './exchange.ts';
import { addressOf, type Deadlines, type Listener, openListener, type TlsMaterial } from './listener.ts';
import { OpenResources } from './open-resources.ts';
import { RequestMetrics } from './request-metrics.ts';
import type { Route } from './route.ts';
import type { WebResources } from './web-resources.ts';

export type ResourceName = 'client' | 'federation' | 'metrics' | 'health' | 'admin';

/** One entry of `listeners:`. */
export interface HttpListenerOptions {
  /** 0 lets the system choose, for each bind address its own. */
  readonly port: number;
  readonly bindAddresses: readonly string[];
  /** Needs `HttpServerOptions.tls`. */
  readonly tls: boolean;
  /** Believe `X-Forwarded-For`: only behind a proxy that sets it. */
  readonly xForwarded: boolean;
  readonly resources: readonly ResourceName[];
}

export interface HttpLimits {
  /** `max_request_size`. */
  readonly maxRequestBytes: number;
}

export interface HttpServerOptions {
  readonly listeners: readonly HttpListenerOptions[];
  readonly routes: readonly Route[];
  readonly authenticate: Authenticate;
  readonly webResources?: WebResources;
  readonly tls?: TlsMaterial;
  readonly limits: HttpLimits;
  readonly metrics: Metrics;
  readonly logger: Logger;
  /** Over all listeners. @default what the process may open, less a reserve for files; see `defaultMaxConnections` */
  readonly maxConnections?: number;
  readonly deadlines?: Partial<Deadlines>;
  /** @default 30 s */
  readonly webResourceTimeoutMs?: number;
}

export interface ListeningAddress {
  readonly address: string;
  readonly port: number;
  readonly protocol: 'http' | 'https';
  readonly resources: readonly ResourceName[];
}

export interface HttpServer {
  /** Opens every listener, or none: rejects with the first failure and closes what was open. */
  listen(): Promise<readonly ListeningAddress[]>;
  readonly addresses: readonly ListeningAddress[];
  /** Requests from now on have these limits. */
  setLimits(limits: HttpLimits): void;
  /** A device was logged out: answers what it is waiting for with 401 `M_UNKNOWN_TOKEN`. */
  endRequestsOf(userId: UserId, deviceId: DeviceId): void;
  /** TLS connections from now on use this certificate. @throws what Node says about unusable material */
  setTls(material: TlsMaterial): void;
  /**
   * Stops accepting, ends waiting requests (they answer with what they have), lets the others finish, and after
   * `graceMs` cuts off what is left. Idempotent.
   */
  close(graceMs: number): Promise<void>;
}

const DEFAULT_DEADLINES: Deadlines = {
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 60_000,
  keepAliveTimeoutMs: 75_000,
  slowReaderTimeoutMs: 60_000,
};

/** A request that is on its way when the advertised time is over still comes through. */
const KEEP_ALIVE_RESERVE_MS = 1000;

/** What is left for the database, logs and outgoing connections. */
const RESERVED_FILES = 256;

const LOGGED_OUT = JSON.stringify(
  new MatrixError(401, 'M_UNKNOWN_TOKEN', 'This device has been logged out', { soft_logout: false }).toBody(),
);

/** Makes the server; nothing is open until `listen`. */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { logger } = options;
  const deadlines = { ...DEFAULT_DEADLINES, ...options.deadlines };
  const lifecycle: Lifecycle = { abortable: [], stopping: false };
  const requestMetrics = new RequestMetrics(options.metrics);
  const connections = new ConnectionLimit({
    maxConnections: options.maxConnections ?? defaultMaxConnections(),
    onRejected: (reason) => {
      requestMetrics.rejectedConnection(reason);
    },
  });
  options.metrics.gauge({
    name: 'thalamus_http_connections',
    help: 'Open client connections',
    collect: () => connections.open,
  });
  const dispatcher = new Dispatcher({
    routes: options.routes,
    authenticate: options.authenticate,
    webResources: options.webResources ?? null,
    webResourceTimeoutMs: options.webResourceTimeoutMs ?? 30_000,
    deadlines,
    maxRequestBytes: options.limits.maxRequestBytes,
    openResources: new OpenResources(options.metrics),
    requestMetrics,
    connections,
    lifecycle,
    logger,
  });
  const listeners: Listener[] = [];
  const addresses: ListeningAddress[] = [];
  let closing: Promise<void> | null = null;
  let idleTimer: NodeJS.Timeout | undefined;

  function startClosingIdle(): void {
    const { keepAliveTimeoutMs } = deadlines;
    const close = (): void => connections.closeIdle(performance.now() - keepAliveTimeoutMs - KEEP_ALIVE_RESERVE_MS);
    idleTimer = setInterval(close, Math.max(100, Math.min(2000, Math.floor(keepAliveTimeoutMs / 4)))).unref();
  }

  async function openOne(entry: HttpListenerOptions, bindAddress: string): Promise<void> {
    const protocol = entry.tls ? 'https' : 'http';
    const scope = { resources: new Set<string>(entry.resources), protocol, xForwarded: entry.xForwarded } as const;
    const listener = await openListener({
      port: entry.port,
      bindAddress,
      tls: entry.tls ? (options.tls ?? null) : null,
      deadlines,
      connections,
      requestMetrics,
      onRequest: dispatcher.requestListener(scope),
    });
    listeners.push(listener);
    addresses.push({ ...addressOf(listener), protocol, resources: entry.resources });
  }

  async function openEntry(entry: HttpListenerOptions): Promise<void> {
    if (entry.tls && options.tls === undefined) throw new Error('a listener with TLS needs a certificate and a key');
    const opened: string[] = [];
    for (const bindAddress of entry.bindAddresses) {
      try {
        await openOne(entry, bindAddress);
        opened.push(bindAddress);
      } catch (error) {
        if (!isHarmless(error, bindAddress, opened)) throw error;
        logger.warn(
          { err: error, bindAddress, port: entry.port },
          'address skipped, another one of the listener is open',
        );
      }
    }
  }

  async function close(graceMs: number): Promise<void> {
    lifecycle.stopping = true;
    const closed = Promise.all(
      listeners.map(
        ({ server }) =>
          new Promise<void>(
            (resolve) =>
              void server.close(() => {
                resolve();
              }),
          ),
      ),
    );
    // A copy: each takes itself out.
    for (const exchange of lifecycle.abortable.slice()) exchange.abort();
    for (const { server } of listeners) server.closeIdleConnections();
    connections.closeUnused();
    const timer = setTimeout(() => {
      for (const { server } of listeners) server.closeAllConnections();
      connections.closeWaiting();
    }, graceMs);
    await closed;
    clearTimeout(timer);
    clearInterval(idleTimer);
  }

  return {
    addresses,
    listen: async () => {
      try {
        startClosingIdle();
        for (const entry of options.listeners) await openEntry(entry);
      } catch (error) {
        await close(0);
        throw error;
      }
      return addresses;
    },
    setLimits: (limits) => {
      dispatcher.maxRequestBytes = limits.maxRequestBytes;
    },
    endRequestsOf: (userId, deviceId) => {
      const ofDevice = lifecycle.abortable.filter(
        ({ requesterOrNull: requester }) => requester?.deviceId === deviceId && requester.userId === userId,
      );
      for (const exchange of ofDevice) {
        // Whoever waits lets go first; what they answer then comes too late.
        exchange.abort();
        exchange.sendJson(401, LOGGED_OUT);
      }
    },
    setTls: (material) => {
      for (const listener of listeners) listener.setTls(material);
    },
    close: (graceMs) => (closing ??= close(graceMs)),
  };
}

/** As many connections as the process may have files, less a reserve; 10,000 where the system does not say. */
export function defaultMaxConnections(): number {
  const limits = (process.report.getReport() as { userLimits?: { open_files?: { soft?: number | string } } })
    .userLimits;
  const soft = Number(limits?.open_files?.soft);
  if (!Number.isFinite(soft)) return 10_000;
  return Math.max(64, soft - RESERVED_FILES);
}

/** An address of several that this machine does not have, or that an open one covers already. */
function isHarmless(error: unknown, bindAddress: string, opened: readonly string[]): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'EADDRINUSE') return bindAddress === '0.0.0.0' && opened.includes('::');
  return (code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT') && bindAddress.includes(':') && opened.length > 0;
}
