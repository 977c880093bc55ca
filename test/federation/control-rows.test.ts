/**
 * What a module keeps from other servers, taken from real sockets by servers that check signatures.
 *
 * Rooms with members of other servers exist in the room directory in memory only.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type FakeServer, startFakeServer } from '../support/fake-server.ts';
import { type FederationNet, startFederationNet } from '../support/federation-net.ts';
import { type RestrictingConfig, restrictingModule, type RulesRequest } from '../support/restricting-module.ts';
import { type RoomServer, type RoomServerOptions, startRoomServer, toldTo } from '../support/room-server.ts';
import type { TestUser } from '../support/test-client.ts';
import { until } from '../support/until.ts';

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

const U = '@u:us';
const ROOM = '!room:us';
/** Nothing but what tests do changes a state. */
const CALM = { presence: { last_active_granularity: '30m', sync_online_timeout: '1h', idle_timeout: '1h' } };

let net: FederationNet;
let r1: FakeServer;
let r2: FakeServer;
let server: RoomServer;
let u: TestUser;
let marker: TestUser;

beforeAll(async () => {
  net = await startFederationNet();
  [r1, r2] = await Promise.all([startFakeServer(net, 'r1'), startFakeServer(net, 'r2')]);
});
afterAll(async () => {
  for (const thing of [r1, r2, net]) await thing[Symbol.asyncDispose]();
});
beforeEach(() => {
  for (const each of [r1, r2]) each.clear();
});
afterEach(() => server.stop());

/** `u` and the marker share rooms with users of both servers. */
async function start(config: RestrictingConfig, options: RoomServerOptions = {}): Promise<void> {
  server = await startRoomServer(net, {
    modules: [restrictingModule(config)],
    ...options,
    config: { ...CALM, ...options.config },
  });
  [u, marker] = await Promise.all([server.register('u'), server.register('marker')]);
  server.rooms.join('!marker:us', '@marker:us', '@m:r1', '@m:r2');
  server.rooms.join(ROOM, U, '@q:r1', '@q:r2');
}

async function change(body: RulesRequest): Promise<void> {
  expect((await server.request('POST', '/_rules', { body })).status).toBe(200);
}

/** What servers were told of `u` since the last call. */
async function told(): Promise<{ readonly r1: readonly string[]; readonly r2: readonly string[] }> {
  const label = `mark ${Math.random()}`;
  await marker.setPresence('online', label);
  const both = [r1, r2];
  await until(() => both.every(({ entries }) => entries.some(({ status_msg }) => status_msg === label)));
  const [one = [], two = []] = both.map((each) => toldTo(each).filter((entry) => entry.startsWith(U)));
  for (const each of both) each.clear();
  return { r1: one, r2: two };
}

const of = (each: FakeServer) => each.entries.filter(({ user_id: userId }) => userId === U);

describe('a server that is denied a user', () => {
  const rules = { [U]: { r1: 'deny' } } as const;

  it('row 307: hears nothing when they change, and gets no keep-alives', async () => {
    await start({ rules }, { timers: { federationPingIntervalMs: 300 } });
    await u.setPresence('online', 'secret');
    await until(() => of(r2).length >= 3);
    await u.setPresence('unavailable', 'another secret');
    const { r1: one, r2: two } = await told();
    expect(one).toEqual([]);
    expect(two).toContain(`${U} unavailable another secret`);
    expect(two.filter((entry) => entry.endsWith(' secret')).length).toBeGreaterThanOrEqual(3);
  });

  it('row 308: hears nothing of them when its users join, when it was away, and when this server restarts', async () => {
    const patience = { max_long_retries: 0, destination_min_retry_interval: '2h' };
    await start({ rules }, { config: { federation: patience } });
    await u.setPresence('online', 'secret');
    expect(await told()).toEqual({ r1: [], r2: [`${U} online secret`] });
    // Neither server has anybody in it yet; then the user comes, and then others of the servers.
    server.rooms.join('!other:us', U);
    server.rooms.join('!other:us', '@p:r1', '@p:r2');
    server.rooms.join('!third:us', '@q:r1', '@q:r2');
    server.rooms.join('!third:us', U);
    for (const room of [ROOM, '!other:us', '!third:us'] as const) server.rooms.leave(room, '@q:r1', '@p:r1');
    server.rooms.join('!third:us', '@q:r1');
    server.rooms.join(ROOM, '@q:r1');
    expect((await told()).r1).toEqual([]);

    await r1.stop();
    await marker.setPresence('unavailable', 'unheard');
    await u.setPresence('unavailable', 'unheard');
    await until(async () => (await server.metric('thalamus_federation_failing_destinations')) === 1);
    await marker.setPresence('online', 'unheard, too');
    await u.setPresence('online', 'unheard, too');
    await r1.start();
    await r1.push('us', []);
    await until(() => r1.entries.some(({ status_msg: said }) => said === 'unheard, too'));
    expect((await told()).r1).toEqual([]);

    for (const how of ['kill', 'stop'] as const) {
      for (const each of [r1, r2]) each.answer = 'hold';
      await u.setPresence('online', `before the ${how}`);
      await marker.setPresence('unavailable', `before the ${how}`);
      await until(() => [r1, r2].every(({ holding }) => holding > 0));
      if (how === 'kill') await server.kill();
      await server.restart();
      for (const each of [r1, r2]) each.answer = 'take';
      for (const each of [r1, r2])
        await until(() => each.entries.some(({ status_msg: said }) => said === `before the ${how}`));
      await until(() => of(r2).some(({ status_msg: said }) => said === `before the ${how}`));
      expect((await told()).r1).toEqual([]);
    }
  });

  it('row 309: hears nothing of them even if a module names its users', async () => {
    server = await startRoomServer(net, {
      modules: [restrictingModule({ rules, routes: { [U]: ['@x:r1', '@x:r2'] } })],
      config: CALM,
    });
    [u, marker] = await Promise.all([server.register('u'), server.register('marker')]);
    server.rooms.join('!marker:us', '@marker:us', '@m:r1', '@m:r2');
    for (const [index, text] of ['secret', 'another secret'].entries()) {
      await u.setPresence('online', text);
      await until(() => of(r2).length > index);
    }
    await change({ snapshotTo: ['@x:r1', '@x:r2'] });
    await until(() => of(r2).length > 2);
    expect((await told()).r1).toEqual([]);
  });
});

describe('a server from which something of a user is kept back', () => {
  it('row 310: is not told of it, and not of what is new only in it', async () => {
    await start({ rules: { [U]: { r1: { hide: ['status_msg', 'last_active_ago', 'currently_active'] } } } });
    await u.setPresence('online', 'one');
    await until(() => of(r1).length > 0);
    // Where `currently_active` is absent it means false to other servers, so it may as well be there.
    const rest = { user_id: U, presence: 'online', currently_active: false };
    expect(of(r1)).toEqual([rest]);
    await told();
    await u.setPresence('online', 'two');
    expect(await told()).toEqual({ r1: [], r2: [`${U} online two`] });
    server.rooms.leave(ROOM, '@q:r1');
    await told();
    server.rooms.join(ROOM, '@q:r1');
    await until(() => of(r1).length > 0);
    expect(of(r1)).toEqual([rest]);
    await change({ snapshotTo: ['@q:r1'] });
    await until(() => of(r1).length > 1);
    expect(of(r1)).toEqual([rest, rest]);
  });
});

describe('a server that loses or gains sight of a user', () => {
  it('row 326: is told one last offline, and the current state', async () => {
    await start({ rules: {} });
    await u.setPresence('online', 'one');
    expect(await told()).toEqual({ r1: [`${U} online one`], r2: [`${U} online one`] });
    await change({ rules: { [U]: { r1: 'deny' } }, invalidate: [U] });
    await u.setPresence('online', 'two');
    await u.setPresence('online', 'three');
    expect((await told()).r1).toEqual([`${U} offline`]);
    await change({ rules: { [U]: null }, invalidate: [U] });
    expect(await told()).toEqual({ r1: [`${U} online three`], r2: [] });
    server.rooms.leave(ROOM, '@q:r1');
    await u.setPresence('online', 'four');
    expect(await told()).toEqual({ r1: [`${U} offline`], r2: [`${U} online four`] });
    server.rooms.leave(ROOM, U);
    expect(await told()).toEqual({ r1: [], r2: [`${U} offline`] });
    server.rooms.join(ROOM, '@q:r1', U);
    expect(await told()).toEqual({ r1: [`${U} online four`], r2: [`${U} online four`] });
  });

  it('row 324: is just told nothing any more if tell_offline_on_loss is false', async () => {
    await start({ rules: {} }, { config: { presence: { ...CALM.presence, tell_offline_on_loss: false } } });
    await u.setPresence('online', 'one');
    await told();
    await change({ rules: { [U]: { r1: 'deny' } }, invalidate: [U] });
    server.rooms.leave(ROOM, '@q:r2');
    await u.setPresence('unavailable', 'two');
    expect(await told()).toEqual({ r1: [], r2: [] });
  });
});
