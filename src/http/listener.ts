/**
 * One listening socket: an HTTP or HTTPS server with its deadlines, on one address and port.
 *
 * The deadlines throw out clients that send slowly or not at all; they say nothing about how long an answer may take.
 */
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ConnectionLimit } from './connection-limit.ts';
import { CORS_HEADERS } from './headers.ts';
import { QuietRequest } from './quiet-request.ts';
import type { RequestMetrics } from './request-metrics.ts';

/** Certificate chain and private key, in PEM. */
export interface TlsMaterial {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
}

export interface Deadlines {
  /** From the connection (or the last answer's first byte after it) to the end of the request's headers. */
  readonly headersTimeoutMs: number;
  /** Same, to the end of the request's body. */
  readonly requestTimeoutMs: number;
  /** How long an idle connection is kept for a next request. Longer than proxies keep theirs, or they race us. */
  readonly keepAliveTimeoutMs: number;
  /** How long a client may take to read an answer without any progress. */
  readonly slowReaderTimeoutMs: number;
}

export interface ListenerOptions {
  readonly port: number;
  readonly bindAddress: string;
  readonly tls: TlsMaterial | null;
  readonly deadlines: Deadlines;
  readonly connections: ConnectionLimit;
  readonly requestMetrics: RequestMetrics;
  readonly onRequest: RequestListener;
}

export interface Listener {
  readonly server: Server;
  /** Takes a renewed certificate for new connections; harmless without TLS. */
  setTls(material: TlsMaterial): void;
}

/** Opens the socket. Rejects with Node's error (`EADDRINUSE`, `EACCES`, `EADDRNOTAVAIL`). */
export async function openListener(options: ListenerOptions): Promise<Listener> {
  const { tls, deadlines, connections } = options;
  const shared = {
    headersTimeout: deadlines.headersTimeoutMs,
    requestTimeout: deadlines.requestTimeoutMs,
    // Idle connections are the connection limit's to close.
    keepAliveTimeout: 0,
    IncomingMessage: QuietRequest,
    connectionsCheckingInterval: Math.max(100, Math.min(2000, Math.floor(deadlines.headersTimeoutMs / 4))),
  };
  const tlsServer =
    tls === null
      ? null
      : createTlsServer({ ...shared, cert: tls.cert, key: tls.key, handshakeTimeout: deadlines.headersTimeoutMs });
  const server = tlsServer ?? createServer(shared);
  server.on('request', options.onRequest);
  server.on('connection', (socket: Socket) => {
    connections.accept(socket);
  });
  if (tlsServer !== null) linkTlsSockets(tlsServer, options);
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    rejectMalformed(error, socket as Socket, options);
  });
  // Upgrades are not offered; without a listener Node treats them as ordinary requests.
  await listen(server, options.port, options.bindAddress);
  return {
    server,
    setTls: (material) => {
      tlsServer?.setSecureContext({ cert: material.cert, key: material.key });
    },
  };
}

/** The address a listener got; of interest when it asked for port 0. */
export function addressOf(listener: Listener): { address: string; port: number } {
  const info = listener.server.address() as AddressInfo;
  return { address: info.address, port: info.port };
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host, backlog: 1024 }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Lets the connection limit know which connection a TLS socket runs on: Node does not say. */
function linkTlsSockets(server: Server, { connections, requestMetrics }: ListenerOptions): void {
  const handshaking = new Map<string, Socket>();
  server.on('connection', (socket: Socket) => {
    const key = `${socket.remoteAddress}:${socket.remotePort}`;
    handshaking.set(key, socket);
    socket.once('close', () => {
      if (handshaking.get(key) === socket) handshaking.delete(key);
    });
  });
  server.on('secureConnection', (socket: Socket) => {
    const key = `${socket.remoteAddress}:${socket.remotePort}`;
    const below = handshaking.get(key);
    handshaking.delete(key);
    if (below !== undefined) connections.link(socket, below);
  });
  server.on('tlsClientError', (_error: Error, socket: Socket) => {
    requestMetrics.rejectedConnection('malformed');
    // There is no channel to say anything in.
    socket.destroy();
  });
}

function rejectMalformed(error: NodeJS.ErrnoException, socket: Socket, options: ListenerOptions): void {
  const timeout = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
  // A request in flight has its own answer; these bytes would be taken for it.
  if (error.code === 'ECONNRESET' || !socket.writable || options.connections.isBusy(socket)) {
    if (timeout) options.requestMetrics.rejectedConnection('timeout');
    socket.destroy();
    return;
  }
  options.requestMetrics.rejectedConnection(timeout ? 'timeout' : 'malformed');
  const status = timeout
    ? '408 Request Timeout'
    : error.code === 'HPE_HEADER_OVERFLOW'
      ? '431 Request Header Fields Too Large'
      : '400 Bad Request';
  const body = JSON.stringify({ errcode: 'M_UNKNOWN', error: status.slice(4) });
  const headers = [
    'Connection',
    'close',
    'Content-Type',
    'application/json',
    'Content-Length',
    body.length,
    ...CORS_HEADERS,
  ];
  const lines = [`HTTP/1.1 ${status}`];
  for (let i = 0; i < headers.length; i += 2) lines.push(`${headers[i]}: ${headers[i + 1]}`);
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`, () => {
    socket.destroy();
  });
}
