/**
 * What a server sends, taken from real sockets by servers that check signatures: rows J of the behaviour table.
 *
 * Rooms with members of other servers exist in the room directory in memory only.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type FakeServer, startFakeServer } from '../support/fake-server.ts';
import { type FederationNet, startFederationNet } from '../support/federation-net.ts';
import { type RoomServer, startRoomServer, untilTold } from '../support/room-server.ts';
import type { TestUser } from '../support/test-client.ts';
import { until } from '../support/until.ts';

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

const ROOM = '!room:us';
const CROWD = Array.from({ length: 100 }, (_, index) => `@crowd${index}:us` as const);
/** Sets the crowd's states when somebody says so. */
const CROWD_MODULE = `
  export default class Crowd {
    constructor(config, api) {
      this.api = api;
      api.registerPresenceRouterCallbacks({
        getUsersForStates: (updates) => {
          if (updates.some(({ statusMsg }) => statusMsg === 'all rise')) {
            const users = ${JSON.stringify(CROWD)}.map((userId) => [userId, { state: 'online', statusMsg: 'up' }]);
            api.setPresenceForUsers(new Map(users));
          }
          return new Map();
        },
        getInterestedUsers: () => [],
      });
    }
  }`;

let net: FederationNet;
let r1: FakeServer;
let r2: FakeServer;

beforeAll(async () => {
  net = await startFederationNet();
  [r1, r2] = await Promise.all([startFakeServer(net, 'r1'), startFakeServer(net, 'r2')]);
});
afterAll(async () => {
  for (const thing of [r1, r2, net]) await thing[Symbol.asyncDispose]();
});

describe('sending', () => {
  let server: RoomServer;
  let u: TestUser;
  let marker: TestUser;

  beforeAll(async () => {
    server = await startRoomServer(net, { modules: [{ source: CROWD_MODULE }] });
    [u, marker] = await Promise.all([server.register('u'), server.register('marker')]);
    server.rooms.join('!marker:us', '@marker:us', '@m:r1', '@m:r2');
  });
  afterAll(() => server.stop());

  /** What was to be told before has been told when this is. */
  async function mark(label: string, ...servers: readonly FakeServer[]): Promise<void> {
    await marker.setPresence('online', label);
    await until(() => servers.every(({ entries }) => entries.some(({ status_msg }) => status_msg === label)));
  }

  /** `u` is in a room with these, and what the joins told has been told. */
  async function share(...users: readonly `@${string}:${string}`[]): Promise<void> {
    server.rooms.join(ROOM, '@u:us', ...users);
    await mark('joined', r1, r2);
    r1.clear();
    r2.clear();
  }

  let tests = 0;
  beforeEach(async () => {
    for (const userId of ['@u:us', ...CROWD] as const) server.rooms.leave(ROOM, userId);
    server.rooms.leave(ROOM, '@q:r1', '@q:r2', '@p:r1');
    await u.setPresence('offline');
    await mark(`ready for ${(tests += 1)}`, r1, r2);
    r1.clear();
    r2.clear();
  });

  it('row 207: a state with nothing to say makes an entry with presence and user_id and nothing more', async () => {
    const fresh = await server.register('fresh');
    server.rooms.join(ROOM, '@fresh:us', '@q:r1');
    await fresh.setPresence('unavailable');
    await untilTold(r1, '@fresh:us unavailable');
    await fresh.setPresence('offline');
    await untilTold(r1, '@fresh:us unavailable', '@fresh:us offline');
    expect(r1.transactions.at(-1)).toMatchObject({ origin: 'us', isSigned: true });
    expect(r1.transactions.at(-1)?.pushes).toEqual([[{ presence: 'offline', user_id: '@fresh:us' }]]);
    server.rooms.leave(ROOM, '@fresh:us');
  });

  it('row 208: 100 records go in EDUs of at most 50, and all users are covered', async () => {
    server.rooms.join(ROOM, ...CROWD, '@q:r1');
    await mark('all rise', r1);
    await until(() => r1.entries.filter(({ status_msg }) => status_msg === 'up').length >= 100);
    await mark('that was all', r1);
    const entries = r1.entries.filter(({ status_msg }) => status_msg === 'up');
    expect(entries.map(({ user_id }) => user_id).sort()).toEqual([...CROWD].sort());
    expect(r1.transactions.every(({ isSigned }) => isSigned)).toBe(true);
    const sizes = r1.transactions.flatMap(({ pushes }) => pushes.map((push) => push.length));
    expect(Math.max(...sizes)).toBe(50);
  });

  it('row 210: each server gets a change once, in however many rooms and by however many users', async () => {
    await share('@q:r1', '@p:r1', '@q:r2');
    server.rooms.join('!other:us', '@u:us', '@q:r1');
    await u.setPresence('online', 'to both');
    await mark('after it', r1, r2);
    for (const each of [r1, r2]) await untilTold(each, '@u:us online to both', '@marker:us online after it');
    server.rooms.leave('!other:us', '@u:us');
  });

  it('row 211: five changes during a transaction leave as one entry with the last state', async () => {
    await share('@q:r1');
    r1.answer = 'hold';
    await u.setPresence('online', 'in flight');
    await until(() => r1.holding === 1);
    for (let change = 1; change <= 5; change++) await u.setPresence('online', `change ${change}`);
    r1.answer = 'take';
    await untilTold(r1, '@u:us online in flight', '@u:us online change 5');
    expect(r1.transactions.at(-1)?.pushes).toMatchObject([[{ user_id: '@u:us', status_msg: 'change 5' }]]);
    expect(new Set(r1.transactions.map(({ txnId }) => txnId)).size).toBe(2);
  });

  it('row 221: last_active_ago is what it is when the transaction leaves, not when it was told', async () => {
    await share('@q:r1');
    r1.answer = 'hold';
    await marker.setPresence('online', 'in flight');
    await until(() => r1.holding === 1);
    await u.setPresence('online', 'behind it');
    const toldTs = Date.now();
    await until(() => Date.now() >= toldTs + 300);
    r1.answer = 'take';
    await untilTold(r1, '@marker:us online in flight', '@u:us online behind it');
    const entry = r1.entries.find(({ user_id }) => user_id === '@u:us');
    expect(entry?.last_active_ago).toBeGreaterThanOrEqual(300);
    expect(entry?.last_active_ago).toBeLessThan(10_000);
  });

  it('row 220: what another server tells of its users goes to clients here, and to no server', async () => {
    await share('@q:r1', '@q:r2');
    const since = (await u.sync({ set_presence: 'offline' })).next_batch as string;
    const push = [{ user_id: '@q:r1', presence: 'online', status_msg: 'of r1' }];
    expect(await r1.push('us', push)).toMatchObject({ status: 200 });
    await u.waitForPresence('@q:r1', ({ status_msg }) => status_msg === 'of r1', { since, set_presence: 'offline' });
    await mark('nothing before', r1, r2);
    for (const each of [r1, r2]) await untilTold(each, '@marker:us online nothing before');
  });

  it('a transaction that is refused is sent again as it was, and newer states after it', async () => {
    await share('@q:r1');
    r1.answer = 'refuse';
    await u.setPresence('online', 'first');
    await until(() => r1.transactions.length === 1);
    await u.setPresence('online', 'second');
    r1.answer = 'take';
    await untilTold(r1, '@u:us online first', '@u:us online second');
    const [refused, again] = r1.transactions;
    expect(refused?.isTaken).toBe(false);
    expect({ ...again, ts: 0, isTaken: null }).toEqual({ ...refused, ts: 0, isTaken: null });
  });
});

it('rows 213, 214, 215: a server that was down and asks something gets what it missed, once, though its retry is hours away', async () => {
  const patience = { max_long_retries: 0, destination_min_retry_interval: '2h' };
  await using server = await startRoomServer(net, { config: { federation: patience } });
  const [u, v] = await Promise.all([server.register('u'), server.register('v')]);
  server.rooms.join(ROOM, '@u:us', '@v:us', '@q:r1');
  await r1.stop();
  await u.setPresence('online', 'unheard');
  await until(async () => (await server.metric('thalamus_federation_failing_destinations')) === 1);
  await u.setPresence('online', 'changed meanwhile');
  await v.setPresence('unavailable', 'meanwhile, too');
  await v.setPresence('offline', 'gone');
  await r1.start();
  r1.clear();
  expect(await server.metric('thalamus_federation_failing_destinations')).toBe(1);
  expect((await r1.push('us', [])).status).toBe(200);
  await untilTold(r1, '@u:us online changed meanwhile', '@v:us offline gone');
  expect(await server.metric('thalamus_federation_failing_destinations')).toBe(0);
});

it('row 217: nothing goes to a server that is not on the whitelist', async () => {
  await using server = await startRoomServer(net, { config: { federation_domain_whitelist: ['r2'] } });
  const u = await server.register('u');
  server.rooms.join(ROOM, '@u:us', '@q:r1', '@q:r2');
  r1.clear();
  r2.clear();
  await u.setPresence('online', 'for some');
  await untilTold(r2, '@u:us online for some');
  expect(await server.metric('thalamus_federation_refused_states_total')).toBe(1);
  expect(await server.metric('synapse_federation_transaction_queue_pending_destinations{server_name="us"}')).toBe(0);
  expect(r1.transactions).toEqual([]);
});

it('row 218: who is online and quiet is sent again, as they were, and no client hears of it', async () => {
  await using server = await startRoomServer(net, { timers: { federationPingIntervalMs: 400 } });
  const [u, w] = await Promise.all([server.register('u'), server.register('w')]);
  server.rooms.join(ROOM, '@u:us', '@w:us', '@q:r1');
  r1.clear();
  const changedTs = Date.now();
  await u.setPresence('online', 'quiet');
  await untilTold(r1, '@u:us online quiet');
  const since = (await w.sync({ set_presence: 'offline' })).next_batch as string;
  await until(() => r1.entries.length === 3);
  const [first, ...again] = r1.entries;
  for (const entry of again) expect({ ...entry, last_active_ago: 0 }).toEqual({ ...first, last_active_ago: 0 });
  expect((r1.transactions[1]?.ts ?? 0) - changedTs).toBeGreaterThan(390);
  expect((await w.sync({ since, set_presence: 'offline' })).presence).toBeUndefined();
});
