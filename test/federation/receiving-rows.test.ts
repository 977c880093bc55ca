/**
 * What other servers send over real TLS sockets, as clients here see it: rows I of the behaviour table, and the reference example.
 *
 * Rooms with members of other servers exist in the room directory in memory only.
 */
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { type FakeServer, startFakeServer } from '../support/fake-server.ts';
import { type FederationNet, startFederationNet } from '../support/federation-net.ts';
import { type RoomServer, startRoomServer } from '../support/room-server.ts';
import { startTestServer } from '../support/start-test-server.ts';
import type { PresenceContent, TestUser } from '../support/test-client.ts';
import { until } from '../support/until.ts';

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

let net: FederationNet;
let remote: FakeServer;
let server: RoomServer;
let a: TestUser;
/** Of a's syncs. */
let since: string;
/** A user of the other server who shares a room with `a`; another one in each test. */
let q: `@${string}:${string}`;
let tests = 0;

beforeAll(async () => {
  net = await startFederationNet();
  remote = await startFakeServer(net, 'remote');
  server = await startRoomServer(net);
  a = await server.register('a');
});
afterAll(async () => {
  for (const thing of [remote, server, net]) await thing[Symbol.asyncDispose]();
});
beforeEach(async () => {
  q = `@q${(tests += 1)}:remote`;
  server.rooms.join('!room:us', '@a:us', q);
  since = (await a.sync({ set_presence: 'offline' })).next_batch;
});

const anything = (): boolean => true;
async function sees(userId: string, wanted: (content: PresenceContent) => boolean): Promise<PresenceContent> {
  const seen = await a.waitForPresence(userId, wanted, { since, set_presence: 'offline' });
  ({ since } = seen);
  return seen.content;
}

it('row 191: every field is shown, and the time since the last activity goes on', async () => {
  const entry = { user_id: q, presence: 'online', status_msg: 'Ho!', currently_active: true, last_active_ago: 5_000 };
  expect(await remote.push('us', [entry])).toEqual({ status: 200, body: { pdus: {} } });
  const shown = await sees(q, anything);
  expect(shown).toMatchObject({ presence: 'online', status_msg: 'Ho!', currently_active: true });
  expect(shown.last_active_ago).toBeGreaterThanOrEqual(5_000);
  expect(shown.last_active_ago).toBeLessThan(15_000);
  await until(async () => (await a.getPresence(q)).body.last_active_ago >= (shown.last_active_ago ?? 0) + 100);
});

it('row 192: unavailable is shown', async () => {
  await remote.push('us', [{ user_id: q, presence: 'unavailable', last_active_ago: 60_000 }]);
  expect(await sees(q, anything)).toEqual({ presence: 'unavailable', last_active_ago: expect.any(Number) });
});

it('row 193: what an entry leaves out is gone, but the last activity is kept', async () => {
  const before = { user_id: q, presence: 'online', status_msg: 'Ho!', currently_active: true, last_active_ago: 50_000 };
  await remote.push('us', [before]);
  await sees(q, ({ status_msg }) => status_msg === 'Ho!');
  await remote.push('us', [{ user_id: q, presence: 'online' }]);
  const shown = await sees(q, ({ status_msg }) => status_msg === undefined);
  expect(shown).toEqual({ presence: 'online', currently_active: false, last_active_ago: expect.any(Number) });
  expect(shown.last_active_ago).toBeGreaterThanOrEqual(50_000);
});

it('row 194: entries of other origins, without a user or without a state are left out, and the others count', async () => {
  const other = '@q:other';
  server.rooms.join('!room:us', other, '@b:us');
  const push = [
    { user_id: other, presence: 'online' },
    { user_id: '@b:us', presence: 'online' },
    { presence: 'online' },
    { user_id: q },
    { user_id: q, presence: 'unavailable', status_msg: 'good' },
    { user_id: q, presence: '' },
  ];
  expect(await remote.push('us', push)).toEqual({ status: 200, body: { pdus: {} } });
  expect(await sees(q, anything)).toMatchObject({ presence: 'unavailable', status_msg: 'good' });
  for (const userId of [other, '@b:us']) expect((await a.getPresence(userId)).body).toEqual({ presence: 'offline' });
});

it('row 200: who is silent is offline after the time for it, with the status kept, and watchers are told', async () => {
  await using hasty = await startRoomServer(net, { serverName: 'hasty', timers: { federationTimeoutMs: 1_500 } });
  const watcher = await hasty.register('a');
  hasty.rooms.join('!room:hasty', '@a:hasty', q);
  let { next_batch: token } = await watcher.sync({ set_presence: 'offline' });
  const untilSeen = async (presence: string): Promise<PresenceContent> => {
    const options = { since: token, set_presence: 'offline' };
    const seen = await watcher.waitForPresence(q, (content) => content.presence === presence, options);
    token = seen.since;
    return seen.content;
  };
  const entry = { user_id: q, presence: 'online', status_msg: 'brb', currently_active: true };
  const toldTs = Date.now();
  await remote.push('hasty', [entry]);
  expect(await untilSeen('offline')).toMatchObject({ presence: 'offline', status_msg: 'brb' });
  expect(Date.now() - toldTs).toBeGreaterThanOrEqual(1_500);
  expect(Date.now() - toldTs).toBeLessThan(4_400);
  // A repeat keeps somebody there.
  const againTs = Date.now();
  while (Date.now() < againTs + 2_500) {
    await remote.push('hasty', [entry]);
    expect((await watcher.getPresence(q)).body.presence).toBe('online');
  }
  expect(await untilSeen('offline')).toMatchObject({ status_msg: 'brb' });
});

it('row 205: a repeat gets the same answer, and nothing of it happens twice, after a restart, too', async () => {
  const push = (statusMsg: string) => [{ user_id: q, presence: 'unavailable', status_msg: statusMsg }];
  const first = remote.sign('us', push('first'));
  const answer = await remote.deliver(first);
  expect(answer).toEqual({ status: 200, body: { pdus: {} } });
  await remote.push('us', push('second'));
  await sees(q, ({ status_msg }) => status_msg === 'second');
  expect(await remote.deliver(first)).toEqual(answer);
  expect((await a.getPresence(q)).body.status_msg).toBe('second');
  await server.restart();
  expect(await remote.deliver(first)).toEqual(answer);
  expect((await a.getPresence(q)).body.status_msg).toBe('second');
});

it('the reference example over two servers: alice gets bob of her own server and charlie of another, without a room', async () => {
  const config = { watcher: '@alice:example.com', watched: ['@bob:example.com', '@charlie:somewhere.org'] };
  const modules = [{ module: 'examples/custom-presence-router/custom-presence-router.ts', config }];
  await using home = await startTestServer(await net.server('example.com', { modules }));
  await using away = await startTestServer(await net.server('somewhere.org', { modules }));
  const [alice, bob, dora] = await Promise.all([home.register('alice'), home.register('bob'), home.register('dora')]);
  const charlie = await away.register('charlie');
  const first = await alice.sync();
  await dora.sync();
  await bob.setPresence('online', 'from next door');
  await charlie.setPresence('unavailable', 'from far away');
  const wanted = ({ status_msg }: PresenceContent): boolean => status_msg?.startsWith('from') === true;
  const options = { since: first.next_batch };
  const seen = await Promise.all([
    alice.waitForPresence(bob.userId, wanted, options),
    alice.waitForPresence(charlie.userId, wanted, options),
  ]);
  expect(seen.map(({ content }) => content)).toMatchObject([
    { presence: 'online', status_msg: 'from next door' },
    { presence: 'unavailable', status_msg: 'from far away' },
  ]);
  expect((await dora.getPresence(charlie.userId)).status).toBe(403);
  // Bob's presence has no business elsewhere: alice and charlie are all that was told.
  expect(await home.metric('thalamus_federation_sent_states_total')).toBe(0);
  expect(await away.metric('thalamus_federation_sent_states_total')).toBe(1);
});
