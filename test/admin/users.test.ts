/**
 * The server, users and their devices, as the admin API shows them; every answer is checked against the description, too.
 */
import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../src/adapters/memory/manual-clock.ts';
import { type AdminServer, startAdminServer } from '../support/admin-server.ts';
import type { TestServerOptions } from '../support/start-test-server.ts';
import { until } from '../support/until.ts';

const SETTER = `
export default class Setter {
  constructor(config, api) {
    api.registerWebResource('/set', async (request) => {
      const entries = Object.entries(await request.json());
      await api.setPresenceForUsers(new Map(entries));
      return new Response('{}');
    });
  }
}`;

async function start(options: TestServerOptions = {}) {
  const clock = new ManualClock();
  const server = await startAdminServer({ ...options, overrides: { clock, ...options.overrides } });
  return Object.assign(server, { clock });
}

const userOf = async (server: AdminServer, userId: string) =>
  (await server.admin('GET', `/users/${encodeURIComponent(userId)}`)).body;
const set = async (server: AdminServer, entries: unknown) => {
  const response = await fetch(`${server.baseUrl}/set`, { method: 'POST', body: JSON.stringify(entries) });
  expect(response.status).toBe(200);
};

describe('GET /server', () => {
  it('has version, mode, uptime and counts', async () => {
    await using server = await start();
    const [alice, bob] = [await server.register('alice'), await server.register('bob')];
    const roomId = await alice.createRoom();
    await bob.join(roomId);
    await alice.setPresence('online');
    await bob.sync({ set_presence: 'offline' });
    await server.clock.advance(1500);
    const { body } = await server.admin('GET', '/server');
    expect(body).toMatchObject({
      name: 'Thalamus',
      server_name: 'test.example',
      presence: { mode: 'tracked' },
      uptime_ms: 1500,
      started_ts: Date.UTC(2026, 0, 1),
      counts: { users: 2, strangers: 0, devices: 1, observers: 1, rooms: 1 },
    });
  });
});

describe('GET /users/{userId}', () => {
  it('row 333: shows each device, which one decides, and why it is as it is', async () => {
    await using server = await start();
    const phone = await server.register('alice', { deviceId: 'PHONE' });
    const laptop = await server.login('alice', { deviceId: 'LAPTOP' });
    const startTs = server.clock.now();
    await phone.setPresence('unavailable', 'at lunch');
    await server.clock.advance(1000);
    await laptop.sync({ set_presence: 'online' });
    const abort = new AbortController();
    const open = phone.request('GET', '/sync', {
      query: { timeout: 30_000, since: (await phone.sync()).next_batch },
      signal: abort.signal,
    });
    await until(async () => (await userOf(server, phone.userId)).devices[1]?.open_syncs === 1);
    expect(await userOf(server, phone.userId)).toEqual({
      user_id: '@alice:test.example',
      presence: 'online',
      status_msg: 'at lunch',
      currently_active: true,
      last_active_ts: startTs + 1000,
      last_sync_ts: startTs + 1000,
      last_federation_update_ts: expect.any(Number),
      is_local: true,
      is_connected: true,
      is_stranger: false,
      made_of: 'devices',
      devices: [
        {
          device_id: expect.stringMatching('PHONE|LAPTOP'),
          kind: 'device',
          presence: 'online',
          why: 'claimed',
          decides: true,
          open_syncs: expect.any(Number),
          last_sync_ts: startTs + 1000,
          last_active_ts: startTs + 1000,
          expires_ts: null,
        },
        expect.objectContaining({ device_id: 'PHONE', open_syncs: 1 }),
      ],
    });
    abort.abort();
    await open.catch(() => undefined);
  });

  it('tells who idles from who says so', async () => {
    await using server = await start({ config: { presence: { sync_online_timeout: '1h' } } });
    const idler = await server.register('idler', { deviceId: 'D' });
    const claimer = await server.register('claimer', { deviceId: 'D' });
    await idler.setPresence('online');
    await claimer.setPresence('unavailable');
    await server.clock.advance(6 * 60_000);
    const device = (why: string) => ({
      presence: 'unavailable',
      made_of: 'devices',
      devices: [{ device_id: 'D', kind: 'device', presence: 'unavailable', why, decides: true, open_syncs: 0 }],
    });
    expect(await userOf(server, idler.userId)).toMatchObject(device('idle'));
    expect(await userOf(server, claimer.userId)).toMatchObject(device('claimed'));
  });

  it('tells what a module set, until when, and what a restart found', async () => {
    await using server = await start({ modules: [{ source: SETTER }] });
    const alice = await server.register('alice');
    await set(server, { [alice.userId]: { state: 'online', statusMsg: 'in a call', ttlMs: 60_000 } });
    const managed = { device_id: null, kind: 'managed', presence: 'online', why: 'module', decides: true };
    expect(await userOf(server, alice.userId)).toMatchObject({
      presence: 'online',
      status_msg: 'in a call',
      made_of: 'devices',
      is_connected: false,
      devices: [{ ...managed, expires_ts: server.clock.now() + 60_000, last_sync_ts: null }],
    });
    await server.restart();
    expect(await userOf(server, alice.userId)).toMatchObject({
      made_of: 'devices',
      devices: [{ device_id: null, kind: 'restored', why: 'restart', expires_ts: server.clock.now() + 30_000 }],
    });
  });

  it('says that a module decides where nothing is tracked', async () => {
    await using server = await start({ modules: [{ source: SETTER }], config: { presence: { enabled: 'untracked' } } });
    const alice = await server.register('alice');
    await alice.setPresence('online');
    expect(await userOf(server, alice.userId)).toMatchObject({ presence: 'offline', made_of: 'nothing', devices: [] });
    await set(server, { [alice.userId]: { state: 'unavailable' } });
    expect(await userOf(server, alice.userId)).toMatchObject({
      presence: 'unavailable',
      made_of: 'module',
      devices: [],
    });
  });

  it('knows an account that has never been online, users of other servers, and nobody else', async () => {
    await using server = await start({ modules: [{ source: SETTER }] });
    const alice = await server.register('alice');
    expect(await userOf(server, alice.userId)).toMatchObject({
      presence: 'offline',
      last_active_ts: null,
      is_connected: false,
      made_of: 'nothing',
      devices: [],
    });
    await set(server, { '@far:elsewhere.example': { state: 'online' } });
    expect(await userOf(server, '@far:elsewhere.example')).toMatchObject({
      presence: 'online',
      is_local: false,
      made_of: 'server',
      devices: [],
    });
    expect(await server.admin('GET', '/users/@nobody:test.example')).toMatchObject({
      status: 404,
      body: { errcode: 'M_NOT_FOUND' },
    });
    expect(await server.admin('GET', '/users/nobody')).toMatchObject({
      status: 400,
      body: { errcode: 'M_INVALID_PARAM', error: expect.stringContaining("'userId' must be a user id") },
    });
  });
});

describe('GET /users', () => {
  const names = ({ users }: { users: { user_id: string }[] }) => users.map(({ user_id }) => user_id);

  it('lists everybody in pages that miss nobody, also while users come', async () => {
    await using server = await start({ modules: [{ source: SETTER }] });
    const wanted = Array.from({ length: 25 }, (_, index) => `@u${index}:elsewhere.example`);
    const put = (ids: readonly string[]) => set(server, Object.fromEntries(ids.map((id) => [id, { state: 'online' }])));
    await put(wanted);
    const found: string[] = [];
    let from: string | undefined;
    for (let page = 0; page === 0 || from !== undefined; page++) {
      const { body } = await server.admin('GET', '/users', { query: { from, limit: 10 } });
      expect(body.users.length).toBeLessThanOrEqual(10);
      found.push(...names(body));
      from = body.next_batch;
      if (page === 0) await put(['@late:elsewhere.example']);
    }
    expect(found.toSorted()).toEqual([...wanted, '@late:elsewhere.example'].toSorted());
    const all = await server.admin('GET', '/users');
    expect(all.body).toMatchObject({ total: 26 });
    expect(all.body.next_batch).toBeUndefined();
    expect((await server.admin('GET', '/users', { query: { from: 1000 } })).body).toEqual({ users: [], total: 26 });
  });

  it('filters by state, server and the beginning of the id', async () => {
    await using server = await start({ modules: [{ source: SETTER }] });
    const [alice, albert] = [await server.register('alice'), await server.register('albert')];
    await alice.setPresence('online');
    await albert.setPresence('unavailable');
    await set(server, {
      '@alice:elsewhere.example': { state: 'online' },
      '@carol:elsewhere.example': { state: 'offline' },
    });
    const list = async (query: Record<string, string>) =>
      names((await server.admin('GET', '/users', { query })).body).toSorted();
    expect(await list({ state: 'online' })).toEqual(['@alice:elsewhere.example', '@alice:test.example']);
    expect(await list({ state: 'busy' })).toEqual([]);
    expect(await list({ server: 'elsewhere.example' })).toEqual([
      '@alice:elsewhere.example',
      '@carol:elsewhere.example',
    ]);
    expect(await list({ server: 'nowhere.example' })).toEqual([]);
    expect(await list({ prefix: '@al' })).toEqual([
      '@albert:test.example',
      '@alice:elsewhere.example',
      '@alice:test.example',
    ]);
    expect(await list({ prefix: '@al', server: 'test.example', state: 'unavailable' })).toEqual([
      '@albert:test.example',
    ]);
  });

  it('row 333: has the user as GET /users/{userId} has it', async () => {
    await using server = await start();
    const alice = await server.register('alice');
    await alice.setPresence('online', 'hello');
    const { is_stranger: _, made_of: __, devices: ___, ...summary } = await userOf(server, alice.userId);
    expect((await server.admin('GET', '/users')).body.users).toEqual([summary]);
  });

  it.each([
    ['limit=0', "'limit' must be a whole number from 1 to 1000"],
    ['limit=1001', "'limit' must be a whole number from 1 to 1000"],
    ['limit=ten', "'limit' must be a whole number"],
    ['limit=', "'limit' must be a whole number"],
    ['limit=1e2', "'limit' must be a whole number"],
    ['from=-1', "'from' must be a whole number"],
    ['from=0x10', "'from' must be a whole number"],
    ['state=on', "'state' must be one of: offline, unavailable, online, org.matrix.msc3026.busy, busy"],
    ['server=a%20b', "'server' must be the name of a server"],
    [`prefix=${'x'.repeat(256)}`, "'prefix' must have 255 characters at most"],
    ['states=online', "There is no query parameter 'states'; there are: state, server, prefix, from, limit"],
    ['limit=1&limit=2', "'limit' is there twice"],
    ['__proto__=1', "There is no query parameter '__proto__'"],
  ])('refuses ?%s', async (query, error) => {
    await using server = await start();
    expect(await server.admin('GET', `/users?${query}`)).toMatchObject({
      status: 400,
      body: { errcode: 'M_INVALID_PARAM', error: expect.stringContaining(error) },
    });
  });
});
