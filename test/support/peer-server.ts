/**
 * Another homeserver's front door on loopback: real TLS, any answer, and a memory of who came how.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { TLSSocket } from 'node:tls';
import type { IssuedCertificate } from './certificates.ts';

export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly host: string | undefined;
  /** The name that the client asked a certificate for; null without one. */
  readonly sni: string | null;
  readonly headers: Readonly<IncomingMessage['headers']>;
  readonly body: string;
  /** Counts connections from 1. */
  readonly connection: number;
}

export interface PeerServer extends AsyncDisposable {
  readonly port: number;
  readonly seen: readonly SeenRequest[];
  /** Connections that have finished their handshake, and those of them that are open. */
  readonly connections: number;
  readonly open: number;
  /** Ends every connection as a crash would. */
  drop(): void;
  close(): Promise<void>;
}

export interface PeerServerOptions {
  /** @default 127.0.0.1 */
  readonly address?: string;
  /** @default any that is free */
  readonly port?: number;
  /** @default answers 200 {} */
  readonly answer?: (request: SeenRequest, response: ServerResponse) => void;
  /** @default 60 s */
  readonly keepAliveTimeoutMs?: number;
}

export async function startPeerServer(
  certificate: Pick<IssuedCertificate, 'cert' | 'key'>,
  { address = '127.0.0.1', port = 0, answer = answerNothing, keepAliveTimeoutMs = 60_000 }: PeerServerOptions = {},
): Promise<PeerServer> {
  const seen: SeenRequest[] = [];
  const numbers = new WeakMap<TLSSocket, number>();
  let connections = 0;
  const open = new Set<TLSSocket>();

  const server = createServer({ cert: certificate.cert, key: certificate.key }, (request, response) => {
    const socket = request.socket as TLSSocket & { servername?: string | false };
    let body = '';
    request.setEncoding('utf8').on('data', (chunk: string) => {
      body += chunk;
    });
    request.on('end', () => {
      const one: SeenRequest = {
        method: request.method ?? '',
        url: request.url ?? '',
        host: request.headers.host,
        sni: typeof socket.servername === 'string' ? socket.servername : null,
        headers: request.headers,
        body,
        connection: numbers.get(socket) ?? 0,
      };
      seen.push(one);
      answer(one, response);
    });
  });
  server.keepAliveTimeout = keepAliveTimeoutMs;
  server.on('secureConnection', (socket) => {
    numbers.set(socket, ++connections);
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    socket.on('error', () => socket.destroy());
  });
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, resolve);
  });
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('no port');

  const drop = () => {
    for (const socket of open) socket.destroy();
  };
  const close = async () => {
    drop();
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
  return {
    port: bound.port,
    seen,
    get connections() {
      return connections;
    },
    get open() {
      return open.size;
    },
    drop,
    close,
    [Symbol.asyncDispose]: close,
  };
}

export function answerJson(response: ServerResponse, status: number, content: unknown, headers = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(content));
}

function answerNothing(_request: SeenRequest, response: ServerResponse): void {
  answerJson(response, 200, {});
}
