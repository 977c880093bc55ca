import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ManualClock } from '../../../src/adapters/memory/manual-clock.ts';
import { startTestServer, type TestServer } from '../../support/start-test-server.ts';
import type { TestUser } from '../../support/test-client.ts';
import { look, roomOf, tokenOf } from '../helpers.ts';

let server: TestServer;
let user: TestUser;
let mate: TestUser;
let stranger: TestUser;

beforeAll(async () => {
  server = await startTestServer();
  [user, mate] = (await roomOf(server, 'user', 'mate')) as [TestUser, TestUser];
  stranger = await server.register('stranger');
});
afterAll(() => server.stop());

describe('GET presence', () => {
  it('row 1: a user who was never seen is offline, and nothing more', async () => {
    const fresh = await server.register('fresh');
    const { status, body, headers } = await fresh.getPresence(fresh.userId);
    expect([status, body]).toEqual([200, { presence: 'offline' }]);
    expect(headers.get('content-type')).toBe('application/json');
  });

  it('row 2: shows what was put', async () => {
    await user.setPresence('online', 'x');
    expect((await user.getPresence(user.userId)).body).toEqual({
      presence: 'online',
      status_msg: 'x',
      currently_active: true,
      last_active_ago: expect.any(Number),
    });
    expect((await mate.getPresence(user.userId)).body.last_active_ago).toBeLessThan(10_000);
  });

  it('row 54: has currently_active only while online', async () => {
    await user.setPresence('online');
    expect((await mate.getPresence(user.userId)).body).toHaveProperty('currently_active', true);
    await user.setPresence('unavailable');
    expect((await mate.getPresence(user.userId)).body).not.toHaveProperty('currently_active');
    await user.setPresence('offline');
    expect((await mate.getPresence(user.userId)).body).not.toHaveProperty('currently_active');
  });

  it('row 143: wants a token that it knows', async () => {
    const path = `/presence/${user.userId}/status`;
    expect(await server.request('GET', path)).toMatchObject({ status: 401, body: { errcode: 'M_MISSING_TOKEN' } });
    expect(await server.request('GET', path, { token: 'nobody' })).toMatchObject({
      status: 401,
      body: { errcode: 'M_UNKNOWN_TOKEN' },
    });
  });

  it.each(['alice', '@alice'])('row 147: refuses %s as a user id', async (userId) => {
    expect(await user.getPresence(userId)).toMatchObject({ status: 400, body: { errcode: 'M_INVALID_PARAM' } });
  });

  it('row 153: answers strangers and about nobody the same', async () => {
    const forbidden = { status: 403, body: { errcode: 'M_FORBIDDEN' } };
    const [about, nobody] = [
      await stranger.getPresence(user.userId),
      await stranger.getPresence('@nobody:test.example'),
    ];
    expect(about).toMatchObject(forbidden);
    expect(nobody).toMatchObject(forbidden);
    expect(nobody.body).toEqual(about.body);
    expect(await stranger.getPresence('@q:elsewhere.example')).toMatchObject(forbidden);
  });

  it('row 167: answers offline about anybody while presence is disabled', async () => {
    await using disabled = await startTestServer({ config: { presence: { enabled: false } } });
    const u = await disabled.register('u');
    for (const userId of [u.userId, '@nobody:test.example', '@q:elsewhere.example']) {
      expect(await u.getPresence(userId)).toMatchObject({ status: 200, body: { presence: 'offline' } });
    }
    expect((await u.getPresence('nobody')).status).toBe(400);
  });

  it('row 108: a watcher by routing gets 200, and 403 about everybody else', async () => {
    const source = `
      export default class Router {
        constructor(_config, api) {
          api.registerPresenceRouterCallbacks({
            getUsersForStates: (updates) => new Map([['@watcher:test.example', updates.filter((u) => u.userId === '@watched:test.example')]]),
            getInterestedUsers: (userId) => (userId === '@watcher:test.example' ? ['@watched:test.example'] : []),
          });
        }
      }`;
    await using routed = await startTestServer({ modules: [{ source }] });
    const watcher = await routed.register('watcher');
    const watched = await routed.register('watched');
    const other = await routed.register('other');
    await watched.setPresence('online', 'routed');
    expect(await watcher.getPresence(watched.userId)).toMatchObject({
      status: 200,
      body: { presence: 'online', status_msg: 'routed' },
    });
    expect((await watcher.getPresence(other.userId)).status).toBe(403);
    expect((await other.getPresence(watched.userId)).status).toBe(403);
    expect((await watched.getPresence(watcher.userId)).status).toBe(403);
  });

  it('row 53: shows activity of which watchers are not told', async () => {
    const clock = new ManualClock();
    await using timed = await startTestServer({ overrides: { clock } });
    const [u, w] = (await roomOf(timed, 'u', 'w')) as [TestUser, TestUser];
    await u.setPresence('online');
    const since = await tokenOf(w);
    await clock.advance(20_000);
    expect((await w.getPresence(u.userId)).body.last_active_ago).toBe(20_000);
    await u.sync({ set_presence: 'online' });
    expect((await w.getPresence(u.userId)).body.last_active_ago).toBe(0);
    expect((await look(w, since)).presence).toBeUndefined();
  });

  it('row 55: activity that is saved later changes nothing that watchers see', async () => {
    const clock = new ManualClock();
    await using timed = await startTestServer({ overrides: { clock } });
    const [u, w, other] = (await roomOf(timed, 'u', 'w', 'other')) as [TestUser, TestUser, TestUser];
    await u.setPresence('online');
    const since = await tokenOf(w);
    await clock.advance(20_000);
    await u.sync({ set_presence: 'online' });
    await clock.advance(25_000);
    await u.sync({ set_presence: 'online' });
    await clock.advance(25_000);
    await other.setPresence('online');
    const events = (await look(w, since)).presence?.events ?? [];
    expect(events.map(({ sender }) => sender)).toEqual([other.userId]);
  });
});
