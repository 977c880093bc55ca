import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type HttpFixture, startHttpFixture } from '../support/http-fixture.ts';

const byName = (user: string, password: string) => ({
  type: 'm.login.password',
  identifier: { type: 'm.id.user', user },
  password,
});

describe('login', () => {
  let server: HttpFixture;
  const login = (body: unknown) => server.request('POST', '/login', { body });

  beforeAll(async () => {
    server = await startHttpFixture();
    await server.register('alice', { password: 'secret' });
  });
  afterAll(() => server[Symbol.asyncDispose]());

  it('offers passwords only', async () => {
    expect((await server.request('GET', '/login')).body).toEqual({ flows: [{ type: 'm.login.password' }] });
  });

  it('takes a localpart, a whole id, capitals, and the old shape', async () => {
    const bodies = [
      byName('alice', 'secret'),
      byName('@alice:test.example', 'secret'),
      byName('ALICE', 'secret'),
      { type: 'm.login.password', user: 'alice', password: 'secret' },
    ];
    for (const body of bodies) {
      const response = await login(body);
      expect([response.status, response.body.user_id], JSON.stringify(body)).toEqual([200, '@alice:test.example']);
    }
  });

  it('refuses alike a wrong password, an unknown user and a foreign one', async () => {
    for (const body of [byName('alice', 'wrong'), byName('nobody', 'secret'), byName('@alice:elsewhere', 'secret')]) {
      const response = await login(body);
      expect([response.status, response.body.errcode]).toEqual([403, 'M_FORBIDDEN']);
    }
  });

  it('refuses what it does not know', async () => {
    const cases: [unknown, string][] = [
      [{ ...byName('alice', 'secret'), type: 'm.login.token' }, 'M_UNKNOWN'],
      [{ type: 'm.login.password', identifier: { type: 'm.id.phone' }, password: 'x' }, 'M_UNKNOWN'],
      [{ type: 'm.login.password', password: 'x' }, 'M_MISSING_PARAM'],
      [{ type: 'm.login.password', user: 'alice' }, 'M_MISSING_PARAM'],
      [{ user: 'alice', password: 'x' }, 'M_MISSING_PARAM'],
      [{ type: 'm.login.password', user: 5, password: 'x' }, 'M_BAD_JSON'],
      ['not json', 'M_NOT_JSON'],
    ];
    for (const [body, errcode] of cases) {
      const response = await login(body);
      expect([response.status, response.body.errcode], JSON.stringify(body)).toEqual([400, errcode]);
    }
  });

  it('gives a device that logs in again a new token, and the old one stops working', async () => {
    const first = await server.login('alice', { password: 'secret', deviceId: 'TABLET' });
    expect((await first.request('GET', '/account/whoami')).status).toBe(200);
    const second = await server.login('alice', { password: 'secret', deviceId: 'TABLET' });
    const old = await first.request('GET', '/account/whoami');
    expect([old.status, old.body.errcode]).toEqual([401, 'M_UNKNOWN_TOKEN']);
    expect((await second.request('GET', '/account/whoami')).body.device_id).toBe('TABLET');
  });

  it('ends a device with its token on logout, at once, and says so to presence', async () => {
    const removed: string[] = [];
    server.accounts.onDeviceRemoved((userId, deviceId) => removed.push(`${userId} ${deviceId}`));
    const one = await server.login('alice', { password: 'secret', deviceId: 'ONE' });
    const two = await server.login('alice', { password: 'secret', deviceId: 'TWO' });
    expect((await one.request('POST', '/logout')).body).toEqual({});
    expect(removed).toEqual(['@alice:test.example ONE']);
    expect((await one.request('GET', '/account/whoami')).body.errcode).toBe('M_UNKNOWN_TOKEN');
    expect((await two.request('GET', '/account/whoami')).status).toBe(200);
    const { devices } = (await two.request('GET', '/devices')).body;
    expect(devices.map((device: { device_id: string }) => device.device_id)).not.toContain('ONE');
    expect((await two.request('POST', '/logout/all', { body: {} })).status).toBe(200);
    expect(removed).toContain('@alice:test.example TWO');
    expect((await two.request('GET', '/account/whoami')).body.errcode).toBe('M_UNKNOWN_TOKEN');
  });

  it('does not let a look-up that was under way bring a logged-out token back', async () => {
    const user = await server.login('alice', { password: 'secret', deviceId: 'RACE' });
    const looking = Array.from({ length: 5 }, () => user.request('GET', '/account/whoami'));
    await user.request('POST', '/logout');
    await Promise.all(looking);
    expect((await user.request('GET', '/account/whoami')).body.errcode).toBe('M_UNKNOWN_TOKEN');
  });
});

describe('limits of login', () => {
  it('stops guessing at one account, and lets it in again when the time has passed', async () => {
    await using server = await startHttpFixture({ limits: { loginFailedAttempts: { perSecond: 0.1, burstCount: 3 } } });
    await server.register('alice', { password: 'secret' });
    await server.register('bob', { password: 'secret' });
    const attempt = (user: string, password: string) =>
      server.request('POST', '/login', { body: byName(user, password) });
    for (let i = 0; i < 3; i++) expect((await attempt('alice', 'wrong')).status).toBe(403);
    const limited = await attempt('alice', 'secret');
    expect([limited.status, limited.body.errcode, limited.body.retry_after_ms]).toEqual([
      429,
      'M_LIMIT_EXCEEDED',
      10_000,
    ]);
    expect((await attempt('@alice:test.example', 'secret')).status).toBe(429);
    expect((await attempt('bob', 'secret')).status).toBe(200);
    await server.clock.advance(10_000);
    expect((await attempt('alice', 'secret')).status).toBe(200);
    expect((await attempt('alice', 'secret')).status).toBe(200);
  });

  it('counts per address and per account', async () => {
    await using byAddress = await startHttpFixture({ limits: { loginAddress: { perSecond: 1, burstCount: 2 } } });
    await using byAccount = await startHttpFixture({ limits: { loginAccount: { perSecond: 1, burstCount: 2 } } });
    for (const [server, others] of [
      [byAddress, 429],
      [byAccount, 200],
    ] as const) {
      await server.register('alice');
      await server.register('bob');
      const attempt = (user: string) => server.request('POST', '/login', { body: byName(user, user) });
      expect((await attempt('alice')).status).toBe(200);
      expect((await attempt('alice')).status).toBe(200);
      expect((await attempt('alice')).status).toBe(429);
      expect((await attempt('bob')).status).toBe(others);
    }
  });

  it('applies new limits at once', async () => {
    await using server = await startHttpFixture({ limits: { loginAccount: { perSecond: 0.001, burstCount: 1 } } });
    await server.register('alice');
    const attempt = () => server.request('POST', '/login', { body: byName('alice', 'alice') });
    expect((await attempt()).status).toBe(200);
    expect((await attempt()).status).toBe(429);
    const many = { perSecond: 1000, burstCount: 1000 };
    server.limits.setLimits({
      presencePerUser: many,
      loginAddress: many,
      loginAccount: many,
      loginFailedAttempts: many,
      registration: many,
    });
    expect((await attempt()).status).toBe(200);
  });
});
