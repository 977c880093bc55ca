/**
 * Nothing is kept of connections that are over, however they ended.
 */
import { createServer } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createConnector, type Connector } from '../../src/adapters/federation-http/connector.ts';
import { createIpRanges } from '../../src/adapters/federation-http/ip-ranges.ts';
import type { NameResolver } from '../../src/adapters/federation-http/name-resolver.ts';
import type { Route } from '../../src/adapters/federation-http/route.ts';
import { createTlsPolicy } from '../../src/adapters/federation-http/tls-policy.ts';
import { createSystemClock } from '../../src/adapters/system-clock.ts';
import { type Authority, createAuthority } from '../support/certificates.ts';
import { type PeerServer, startPeerServer } from '../support/peer-server.ts';
import { until } from '../support/until.ts';

let authority: Authority;
let server: PeerServer;
let connector: Connector;
const resolver: NameResolver = { addresses: async () => ['127.0.0.1', '127.0.0.1'], srv: async () => [] };

beforeEach(async () => {
  authority = createAuthority();
  server = await startPeerServer(authority.issue({ dnsNames: ['one.test'] }));
  connector = createConnector({
    clock: createSystemClock(),
    resolver,
    ranges: createIpRanges([], []),
    tls: createTlsPolicy({
      verifyCertificates: true,
      certificateVerificationWhitelist: [],
      customCas: [authority.cert],
    }),
    random: Math.random,
    maxConnections: 2,
    connectTimeoutMs: 60_000,
    makeRoom: () => false,
  });
});
afterEach(async () => {
  connector.close();
  await server.close();
});

function route(tlsName: string, port: number): Route {
  const targets = [{ host: 'one.test', port, priority: 0, weight: 0 }];
  return { hostHeader: tlsName, tlsName, targets, source: 'port', delegated: false };
}

it('counts a connection until it is closed by either side', async () => {
  const ours = await connector.connect(route('one.test', server.port));
  const theirs = await connector.connect(route('one.test', server.port));
  expect([connector.connections, connector.sockets]).toEqual([2, 2]);
  ours.destroy();
  await until(() => connector.connections === 1);
  await until(() => server.connections === 2);
  theirs.on('error', () => undefined).resume();
  server.drop();
  await until(() => connector.connections === 0);
  expect(connector.sockets).toBe(0);
});

it('keeps nothing of one that failed at the certificate or before', async () => {
  await expect(connector.connect(route('two.test', server.port))).rejects.toMatchObject({ kind: 'certificate' });
  await expect(connector.connect(route('one.test', 1))).rejects.toMatchObject({ kind: 'unreachable' });
  await until(() => connector.sockets === 0 && server.open === 0);
  expect(connector.connections).toBe(0);
});

it('closes handshakes that are under way, and connections, without a crash', async () => {
  const established = await connector.connect(route('one.test', server.port));
  established.on('error', () => undefined);
  const silent = createServer((socket) => socket.on('error', () => undefined).resume());
  const accepted = new Promise<void>((resolve) => silent.once('connection', () => resolve()));
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const address = silent.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  const shaking = connector.connect(route('one.test', port)).catch((error: unknown) => error);
  const waiting = connector.connect(route('one.test', server.port)).catch((error: unknown) => error);
  await until(() => connector.sockets === 2);
  await accepted;
  expect(connector.isFull).toBe(true);
  connector.close();
  expect(await waiting).toMatchObject({ kind: 'closed' });
  expect(await shaking).toMatchObject({ kind: 'unreachable' });
  await until(() => connector.connections === 0 && connector.sockets === 0);
  await expect(connector.connect(route('one.test', server.port))).rejects.toMatchObject({ kind: 'closed' });
  await new Promise<void>((resolve) => silent.close(() => resolve()));
});
