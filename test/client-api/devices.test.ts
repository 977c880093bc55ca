import { describe, expect, it } from 'vitest';
import { startHttpFixture } from '../support/http-fixture.ts';

const passwordAuth = (user: string, password = user) => ({
  type: 'm.login.password',
  identifier: { type: 'm.id.user', user },
  password,
});

describe('devices', () => {
  it('are listed with when and where they were last used, and can be named', async () => {
    await using server = await startHttpFixture();
    const alice = await server.register('alice', { deviceId: 'PHONE' });
    const startedTs = server.clock.now();
    await server.clock.advance(180_000);
    const named = await alice.request('PUT', '/devices/PHONE', { body: { display_name: 'My phone' } });
    expect([named.status, named.body]).toEqual([200, {}]);
    const one = await alice.request('GET', '/devices/PHONE');
    expect(one.body).toEqual({
      device_id: 'PHONE',
      display_name: 'My phone',
      last_seen_ts: startedTs + 180_000,
      last_seen_ip: '127.0.0.1',
    });
    expect((await alice.request('GET', '/devices')).body).toEqual({ devices: [one.body] });
    for (const [method, body] of [
      ['GET', undefined],
      ['PUT', { display_name: 'x' }],
    ] as const) {
      const missing = await alice.request(method, '/devices/NONE', { body });
      expect([missing.status, missing.body.errcode]).toEqual([404, 'M_NOT_FOUND']);
    }
    const wrong = await alice.request('PUT', '/devices/PHONE', { body: { display_name: 5 } });
    expect([wrong.status, wrong.body.errcode]).toEqual([400, 'M_BAD_JSON']);
  });

  it('belong to one user: others cannot see, name or remove them', async () => {
    await using server = await startHttpFixture();
    const alice = await server.register('alice', { deviceId: 'PHONE' });
    const bob = await server.register('bob', { deviceId: 'LAPTOP' });
    expect((await bob.request('GET', '/devices/PHONE')).status).toBe(404);
    expect((await bob.request('PUT', '/devices/PHONE', { body: { display_name: 'x' } })).status).toBe(404);
    const auth = passwordAuth('bob');
    await bob.request('POST', '/delete_devices', { body: { devices: ['PHONE'], auth } });
    expect((await alice.request('GET', '/account/whoami')).status).toBe(200);
  });

  it('are removed for the password, and their presence ends with them', async () => {
    await using server = await startHttpFixture();
    const alice = await server.register('alice', { deviceId: 'PHONE' });
    const laptop = await server.login('alice', { deviceId: 'LAPTOP' });
    const removed: string[] = [];
    server.accounts.onDeviceRemoved((_userId, deviceId) => removed.push(deviceId));

    const asked = await alice.request('DELETE', '/devices/LAPTOP');
    expect(asked.status).toBe(401);
    expect(asked.body).toMatchObject({ flows: [{ stages: ['m.login.password'] }], params: {} });

    const wrong = await alice.request('DELETE', '/devices/LAPTOP', {
      body: { auth: { ...passwordAuth('alice', 'wrong'), session: asked.body.session } },
    });
    expect([wrong.status, wrong.body.errcode, wrong.body.session]).toEqual([401, 'M_FORBIDDEN', asked.body.session]);
    const other = await alice.request('DELETE', '/devices/LAPTOP', { body: { auth: passwordAuth('bob', 'alice') } });
    expect(other.body.errcode).toBe('M_FORBIDDEN');
    expect((await laptop.request('GET', '/account/whoami')).status).toBe(200);
    expect(removed).toEqual([]);

    const done = await alice.request('DELETE', '/devices/LAPTOP', {
      body: { auth: { ...passwordAuth('alice'), session: asked.body.session } },
    });
    expect([done.status, done.body]).toEqual([200, {}]);
    expect(removed).toEqual(['LAPTOP']);
    expect((await laptop.request('GET', '/account/whoami')).status).toBe(401);
  });

  it('are removed many at once, the asking one included', async () => {
    await using server = await startHttpFixture();
    const alice = await server.register('alice', { deviceId: 'A' });
    await server.login('alice', { deviceId: 'B' });
    const body = { devices: ['A', 'B', 'NONE'], auth: passwordAuth('@alice:test.example', 'alice') };
    expect((await alice.request('POST', '/delete_devices', { body })).status).toBe(200);
    expect((await alice.request('GET', '/devices')).status).toBe(401);
    expect((await server.login('alice')).deviceId).not.toBe('A');
  });

  it('are limited per user: the one not seen for longest goes', async () => {
    await using server = await startHttpFixture({ maxDevicesPerUser: 2 });
    const removed: string[] = [];
    server.accounts.onDeviceRemoved((_userId, deviceId) => removed.push(deviceId));
    const first = await server.register('alice', { deviceId: 'A' });
    await server.clock.advance(1000);
    await server.login('alice', { deviceId: 'B' });
    await server.clock.advance(1000);
    await server.login('alice', { deviceId: 'C' });
    expect(removed).toEqual(['A']);
    expect((await first.request('GET', '/account/whoami')).status).toBe(401);
  });

  it('guessing the password there is limited, too', async () => {
    await using server = await startHttpFixture({ limits: { loginFailedAttempts: { perSecond: 0.1, burstCount: 2 } } });
    const alice = await server.register('alice');
    const attempt = (password: string) =>
      alice.request('DELETE', '/devices/X', { body: { auth: passwordAuth('alice', password) } });
    expect((await attempt('a')).status).toBe(401);
    expect((await attempt('b')).status).toBe(401);
    expect((await attempt('alice')).status).toBe(429);
  });
});

describe('the account', () => {
  it('changes its password, and logs out other devices unless told not to', async () => {
    await using server = await startHttpFixture();
    const alice = await server.register('alice', { deviceId: 'A' });
    const other = await server.login('alice', { deviceId: 'B' });
    const auth = passwordAuth('alice');
    const asked = await alice.request('POST', '/account/password', { body: { new_password: 'two' } });
    expect([asked.status, asked.body.flows]).toEqual([401, [{ stages: ['m.login.password'] }]]);
    expect((await alice.request('POST', '/account/password', { body: { auth } })).body.errcode).toBe('M_MISSING_PARAM');
    const empty = await alice.request('POST', '/account/password', { body: { auth, new_password: '' } });
    expect(empty.body.errcode).toBe('M_WEAK_PASSWORD');

    const kept = await alice.request('POST', '/account/password', {
      body: { auth, new_password: 'two', logout_devices: false },
    });
    expect(kept.status).toBe(200);
    expect((await other.request('GET', '/account/whoami')).status).toBe(200);

    await alice.request('POST', '/account/password', {
      body: { auth: passwordAuth('alice', 'two'), new_password: 'three' },
    });
    expect((await other.request('GET', '/account/whoami')).status).toBe(401);
    expect((await alice.request('GET', '/account/whoami')).status).toBe(200);
    await expect(server.login('alice', { password: 'two' })).rejects.toThrow('403');
    expect((await server.login('alice', { password: 'three' })).userId).toBe(alice.userId);
  });

  it('is deactivated for good', async () => {
    await using server = await startHttpFixture();
    const alice = await server.register('alice', { deviceId: 'A' });
    const events: string[] = [];
    server.accounts.onDeviceRemoved((_userId, deviceId) => events.push(deviceId));
    server.accounts.onUserDeactivated((userId) => events.push(userId));
    expect((await alice.request('POST', '/account/deactivate')).status).toBe(401);
    const done = await alice.request('POST', '/account/deactivate', { body: { auth: passwordAuth('alice') } });
    expect(done.body).toEqual({ id_server_unbind_result: 'no-support' });
    expect(events).toEqual(['A', '@alice:test.example']);
    expect((await alice.request('GET', '/account/whoami')).body.errcode).toBe('M_UNKNOWN_TOKEN');
    expect((await server.request('GET', `/profile/${alice.userId}`)).status).toBe(404);
    const login = await server.request('POST', '/login', {
      body: { type: 'm.login.password', user: 'alice', password: 'alice' },
    });
    expect([login.status, login.body.errcode]).toEqual([403, 'M_USER_DEACTIVATED']);
    const again = await server.request('GET', '/register/available', { query: { username: 'alice' } });
    expect(again.body.errcode).toBe('M_USER_IN_USE');
  });
});
