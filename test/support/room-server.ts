/**
 * A real server with a real listener for other servers, whose rooms are those that the test says: members of other servers exist nowhere
 * else. Everything between a client's request and another server's socket is what an administrator would run.
 */
import { MemoryRoomDirectory } from '../../src/adapters/memory/room-directory.ts';
import type { PresenceTimers } from '../../src/core/engine-api.ts';
import type { FederationNet, NetServerOptions } from './federation-net.ts';
import type { FakeServer } from './fake-server.ts';
import { startTestServer, type TestServer } from './start-test-server.ts';
import { until } from './until.ts';

export interface RoomServer extends TestServer {
  readonly rooms: MemoryRoomDirectory;
}

/** `serverName` is `us` unless it is given. */
export interface RoomServerOptions extends NetServerOptions {
  readonly timers?: Partial<PresenceTimers>;
}

export async function startRoomServer(net: FederationNet, options: RoomServerOptions = {}): Promise<RoomServer> {
  const { timers, ...rest } = options;
  const rooms = new MemoryRoomDirectory();
  const server = await startTestServer({
    ...(await net.server(rest.serverName ?? 'us', {
      ...rest,
      config: { federation_presence: { coalescing_window: 20, keep_alive_spread: 0 }, ...rest.config },
    })),
    overrides: { rooms, ...(timers === undefined ? {} : { timers }) },
  });
  return Object.assign(Object.create(server) as TestServer, { rooms });
}

/** Entries that a server took, as `user state status`, sorted. */
export function toldTo(server: FakeServer): string[] {
  return server.entries
    .map(({ user_id, presence, status_msg = '' }) => `${user_id} ${presence} ${status_msg}`.trim())
    .sort();
}

/** Resolves when exactly this has been taken, in whatever order. */
export async function untilTold(server: FakeServer, ...entries: readonly string[]): Promise<void> {
  const wanted = JSON.stringify([...entries].sort());
  try {
    await until(() => JSON.stringify(toldTo(server)) === wanted);
  } catch {
    throw new Error(`${server.name} was told ${JSON.stringify(toldTo(server))} instead of ${wanted}`);
  }
}
