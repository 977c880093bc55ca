/**
 * The HTTP side with accounts and nothing behind it: real sockets on port 0, SQLite in memory, a clock that stands still, and
 * passwords that cost next to nothing.
 */
import { connect, type Socket } from 'node:net';
import { RecordingLogger } from '../../src/adapters/memory/logger.ts';
import { ManualClock } from '../../src/adapters/memory/manual-clock.ts';
import { MemoryMetrics } from '../../src/adapters/memory/metrics.ts';
import { SqliteAccountStore } from '../../src/adapters/sqlite/account-store.ts';
import { type Database, openDatabase } from '../../src/adapters/sqlite/database.ts';
import { type Accounts, createAccounts } from '../../src/homeserver/accounts/index.ts';
import { accountRoutes } from '../../src/http/client-api/account-routes.ts';
import { getPresence } from '../../src/http/client-api/getPresence.ts';
import { setPresence } from '../../src/http/client-api/setPresence.ts';
import { createHttpServer, type HttpServer, type HttpServerOptions } from '../../src/http/http-server.ts';
import { createRateLimits, type RateLimits, type RateLimitSettings } from '../../src/http/rate-limits.ts';
import type { Route } from '../../src/http/route.ts';
import { type ClientHelpers, createClientHelpers } from './test-client.ts';

export interface HttpFixtureOptions {
  readonly routes?: readonly Route[];
  readonly limits?: Partial<RateLimitSettings>;
  readonly registrationEnabled?: boolean;
  readonly sharedSecret?: string | null;
  readonly maxDevicesPerUser?: number;
  readonly http?: Partial<HttpServerOptions>;
}

export interface HttpFixture extends ClientHelpers, AsyncDisposable {
  readonly baseUrl: string;
  readonly port: number;
  readonly http: HttpServer;
  readonly accounts: Accounts;
  readonly database: Database;
  readonly limits: RateLimits;
  readonly clock: ManualClock;
  readonly logger: RecordingLogger;
  readonly metrics: MemoryMetrics;
  /** What the presence operations were told. */
  readonly presenceCalls: { readonly userId: string; readonly deviceId: string; readonly state: string }[];
}

export const MANY = { perSecond: 1000, burstCount: 10_000 };
export const SERVER_NAME = 'test.example';

export async function startHttpFixture(options: HttpFixtureOptions = {}): Promise<HttpFixture> {
  const clock = new ManualClock();
  const logger = new RecordingLogger();
  const metrics = new MemoryMetrics();
  const database = openDatabase({ path: ':memory:', logger });
  const accounts = createAccounts({
    store: new SqliteAccountStore(database),
    clock,
    logger,
    serverName: SERVER_NAME,
    sharedSecret: options.sharedSecret === undefined ? 'test secret' : options.sharedSecret,
    passwords: { cost: { N: 16, r: 1, p: 1 } },
    ...(options.maxDevicesPerUser === undefined ? {} : { maxDevicesPerUser: options.maxDevicesPerUser }),
  });
  const limits = createRateLimits(
    {
      presencePerUser: MANY,
      loginAddress: MANY,
      loginAccount: MANY,
      loginFailedAttempts: MANY,
      registration: MANY,
      ...options.limits,
    },
    clock,
  );
  const presenceCalls: HttpFixture['presenceCalls'] = [];
  const presence = {
    mode: 'tracked' as const,
    statusFor: (observer: string, target: string) => (observer === target ? '{"presence":"online"}' : null),
    setPresence: async (userId: string, deviceId: string, state: string) => {
      presenceCalls.push({ userId, deviceId, state });
    },
  };
  const http = createHttpServer({
    listeners: [
      {
        port: 0,
        bindAddresses: ['127.0.0.1'],
        tls: false,
        xForwarded: false,
        resources: ['client', 'health', 'metrics'],
      },
    ],
    routes: [
      ...accountRoutes({
        accounts,
        limits,
        publicBaseurl: 'https://test.example/',
        registrationEnabled: options.registrationEnabled ?? true,
        busyEnabled: true,
      }),
      getPresence({ presence }),
      setPresence({ presence, presenceLimit: limits.presenceLimit, busyEnabled: true, maxStatusMsgBytes: 65_536 }),
      ...(options.routes ?? []),
    ],
    authenticate: (token, from) => accounts.authenticator.authenticate(token, from),
    limits: { maxRequestBytes: 1_000_000 },
    metrics,
    logger,
    ...options.http,
  });
  const [first] = await http.listen();
  const port = first?.port ?? 0;
  const baseUrl = `http://127.0.0.1:${port}`;
  return {
    ...createClientHelpers(baseUrl, SERVER_NAME),
    baseUrl,
    port,
    http,
    accounts,
    database,
    limits,
    clock,
    logger,
    metrics,
    presenceCalls,
    [Symbol.asyncDispose]: async () => {
      await http.close(0);
      database.close();
    },
  };
}

export interface RawConnection extends Disposable {
  readonly socket: Socket;
  /** What has come so far. */
  text(): string;
  write(text: string | Buffer): void;
  /** Resolves when what has come matches; rejects when the connection ends or 10 s pass first. */
  received(pattern: RegExp): Promise<RegExpExecArray>;
  /** Resolves when the other side has closed. */
  readonly closed: Promise<void>;
}

/** A TCP connection that says exactly what a test wants. */
export async function openRaw(port: number): Promise<RawConnection> {
  const socket = connect(port, '127.0.0.1');
  let text = '';
  const listeners = new Set<() => void>();
  const tell = (): void => {
    for (const listener of listeners) listener();
  };
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
    tell();
  });
  socket.on('error', () => undefined);
  const closed = new Promise<void>((resolve) => {
    socket.on('close', () => {
      resolve();
      tell();
    });
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  return {
    socket,
    text: () => text,
    write: (data) => void socket.write(data),
    closed,
    received: (pattern) =>
      new Promise((resolve, reject) => {
        const done = (): void => {
          listeners.delete(look);
          clearTimeout(timer);
        };
        const look = (): void => {
          const match = pattern.exec(text);
          if (match !== null) {
            done();
            resolve(match);
          } else if (socket.destroyed) {
            done();
            reject(new Error(`the connection ended without ${pattern}: ${text.slice(0, 500)}`));
          }
        };
        const timer = setTimeout(() => {
          done();
          reject(new Error(`no ${pattern} within 10 s: ${text.slice(0, 500)}`));
        }, 10_000);
        listeners.add(look);
        look();
      }),
    [Symbol.dispose]: () => {
      socket.destroy();
    },
  };
}
