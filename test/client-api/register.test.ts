import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type HttpFixture, startHttpFixture } from '../support/http-fixture.ts';
import type { RequestOptions } from '../support/test-client.ts';

const dummy = { auth: { type: 'm.login.dummy' } };

describe('registration', () => {
  let server: HttpFixture;
  const register = (body: unknown, rest: RequestOptions = {}) => server.request('POST', '/register', { body, ...rest });

  beforeAll(async () => {
    server = await startHttpFixture();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  it('succeeds at once with the dummy stage and no session', async () => {
    const { status, body } = await register({ username: 'alice', password: 'secret', ...dummy });
    expect(status).toBe(200);
    expect(body).toMatchObject({ user_id: '@alice:test.example', home_server: 'test.example' });
    expect(body.device_id).toMatch(/^[A-Z]{10}$/);
    expect(body.access_token.length).toBeGreaterThanOrEqual(43);
    const whoami = await server.request('GET', '/account/whoami', { token: body.access_token });
    expect(whoami.body.device_id).toBe(body.device_id);
  });

  it('answers 401 with the single flow when there is no auth, and takes the session it gave', async () => {
    const asked = await register({ username: 'bob', password: 'secret' });
    expect(asked.status).toBe(401);
    expect(asked.body).toMatchObject({ flows: [{ stages: ['m.login.dummy'] }], params: {} });
    expect(asked.body.errcode).toBeUndefined();
    const auth = { type: 'm.login.dummy', session: asked.body.session };
    expect((await register({ username: 'bob', password: 'secret', auth })).status).toBe(200);
  });

  it('answers 401 to an empty body, which is how clients ask for the flows', async () => {
    const { status, body } = await server.request('POST', '/register');
    expect([status, body.flows]).toEqual([401, [{ stages: ['m.login.dummy'] }]]);
  });

  it('refuses other stages with the flows', async () => {
    const { status, body } = await register({ username: 'x', password: 'x', auth: { type: 'm.login.recaptcha' } });
    expect([status, body.errcode, body.flows]).toEqual([401, 'M_UNAUTHORIZED', [{ stages: ['m.login.dummy'] }]]);
    expect((await register({ auth: 'yes' })).body.errcode).toBe('M_BAD_JSON');
  });

  it('takes a device id and name, and leaves out the login when asked to', async () => {
    const named = await register({
      username: 'carol',
      password: 'secret',
      device_id: 'CAROLSPHONE',
      initial_device_display_name: 'Phone',
      ...dummy,
    });
    expect(named.body.device_id).toBe('CAROLSPHONE');
    const devices = await server.request('GET', '/devices', { token: named.body.access_token });
    expect(devices.body.devices).toMatchObject([{ device_id: 'CAROLSPHONE', display_name: 'Phone' }]);
    const inhibited = await register({ username: 'dave', password: 'secret', inhibit_login: true, ...dummy });
    expect(inhibited.body).toEqual({ user_id: '@dave:test.example' });
    expect((await server.login('dave', { password: 'secret' })).userId).toBe('@dave:test.example');
  });

  it('makes capitals small, and makes up a name for those who bring none', async () => {
    expect((await register({ username: 'ErIn', password: 'x', ...dummy })).body.user_id).toBe('@erin:test.example');
    expect((await register({ password: 'x', ...dummy })).body.user_id).toMatch(/^@[a-z]{12}:test\.example$/);
  });

  it('refuses names that cannot be, and names that are taken, before it asks for a stage', async () => {
    const invalid = ['', 'a b', 'ä', '@x:test.example', 'a:b', 'a\0b', 'x'.repeat(250)];
    for (const username of invalid) {
      const { status, body } = await register({ username, password: 'x' });
      expect([status, body.errcode], JSON.stringify(username)).toEqual([400, 'M_INVALID_USERNAME']);
    }
    const taken = await register({ username: 'Alice', password: 'x' });
    expect([taken.status, taken.body.errcode]).toEqual([400, 'M_USER_IN_USE']);
  });

  it('tells whether a name is free', async () => {
    const available = (username?: string) => server.request('GET', '/register/available', { query: { username } });
    expect((await available('free')).body).toEqual({ available: true });
    expect((await available('alice')).body.errcode).toBe('M_USER_IN_USE');
    expect((await available('a b')).body.errcode).toBe('M_INVALID_USERNAME');
    expect((await available()).body.errcode).toBe('M_MISSING_PARAM');
  });

  it('refuses bodies of the wrong shape, each with its reason', async () => {
    const cases: [unknown, string][] = [
      [{ username: 5, ...dummy }, 'M_BAD_JSON'],
      [{ username: 'frank', password: 5, ...dummy }, 'M_BAD_JSON'],
      [{ username: 'frank', ...dummy }, 'M_MISSING_PARAM'],
      [{ username: 'frank', password: '', ...dummy }, 'M_WEAK_PASSWORD'],
      [{ username: 'frank', password: 'x'.repeat(513), ...dummy }, 'M_INVALID_PARAM'],
      [{ username: 'frank', password: 'x', device_id: '', ...dummy }, 'M_INVALID_PARAM'],
      [{ username: 'frank', password: 'x', inhibit_login: 'yes', ...dummy }, 'M_BAD_JSON'],
    ];
    for (const [body, errcode] of cases) {
      const response = await register(body);
      expect([response.status, response.body.errcode], JSON.stringify(body)).toEqual([400, errcode]);
    }
    expect((await register({ username: 'frank', password: 'x'.repeat(512), ...dummy })).status).toBe(200);
  });

  it('has no guests', async () => {
    const { status, body } = await register({}, { query: { kind: 'guest' } });
    expect([status, body.errcode]).toEqual([403, 'M_GUEST_ACCESS_FORBIDDEN']);
  });

  it('gives one name to one of many who want it at once', async () => {
    const attempts = await Promise.all(
      Array.from({ length: 8 }, () => register({ username: 'grace', password: 'x', ...dummy })),
    );
    expect(attempts.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  it('limits registrations by address, and not the questions before them', async () => {
    await using limited = await startHttpFixture({ limits: { registration: { perSecond: 0.1, burstCount: 2 } } });
    const attempt = (username: string) =>
      limited.request('POST', '/register', { body: { username, password: 'x', ...dummy } });
    for (let i = 0; i < 5; i++) expect((await limited.request('POST', '/register', { body: {} })).status).toBe(401);
    expect((await attempt('a')).status).toBe(200);
    expect((await attempt('b')).status).toBe(200);
    const third = await attempt('c');
    expect([third.status, third.body.errcode, third.body.retry_after_ms]).toEqual([429, 'M_LIMIT_EXCEEDED', 10_000]);
    await limited.clock.advance(10_000);
    expect((await attempt('c')).status).toBe(200);
  });

  it('is 403 M_FORBIDDEN where it is closed', async () => {
    await using closed = await startHttpFixture({ registrationEnabled: false });
    for (const body of [{}, { username: 'a', password: 'b', ...dummy }]) {
      const response = await closed.request('POST', '/register', { body });
      expect([response.status, response.body.errcode]).toEqual([403, 'M_FORBIDDEN']);
    }
  });
});

describe('registration by shared secret', () => {
  const path = '/_synapse/admin/v1/register';
  const mac = (secret: string, ...parts: string[]) => createHmac('sha1', secret).update(parts.join('\0')).digest('hex');

  it('registers with the MAC that existing tools compute, also where registration is closed', async () => {
    await using server = await startHttpFixture({ registrationEnabled: false });
    const { nonce } = (await server.request('GET', path)).body;
    const body = {
      nonce,
      username: 'Admin',
      password: 'hunter2',
      admin: true,
      mac: mac('test secret', nonce, 'Admin', 'hunter2', 'admin'),
    };
    const made = await server.request('POST', path, { body });
    expect(made.status).toBe(200);
    expect(made.body).toMatchObject({ user_id: '@admin:test.example', home_server: 'test.example' });
    expect((await server.accounts.sessions.findUser('@admin:test.example'))?.isAdmin).toBe(true);
    const again = await server.request('POST', path, { body });
    expect([again.status, again.body.errcode]).toEqual([400, 'M_UNKNOWN']);
  });

  it('signs the kind of user, too', async () => {
    await using server = await startHttpFixture();
    const { nonce } = (await server.request('GET', path)).body;
    const body = { nonce, username: 'helper', password: 'x', user_type: 'bot', displayname: 'The helper' };
    const made = await server.request('POST', path, {
      body: { ...body, mac: mac('test secret', nonce, 'helper', 'x', 'notadmin', 'bot') },
    });
    expect(made.status).toBe(200);
    expect((await server.accounts.sessions.findUser('@helper:test.example'))?.userType).toBe('bot');
    expect((await server.request('GET', '/profile/@helper:test.example')).body.displayname).toBe('The helper');
  });

  it('refuses a wrong MAC, a flag that was not signed, an old nonce, and missing keys', async () => {
    await using server = await startHttpFixture();
    const send = async (change: (body: Record<string, unknown>) => unknown, wait = 0) => {
      const { nonce } = (await server.request('GET', path)).body;
      await server.clock.advance(wait);
      const signed = mac('test secret', nonce, 'eve', 'x', 'notadmin');
      const { status, body } = await server.request('POST', path, {
        body: change({ nonce, username: 'eve', password: 'x', mac: signed }),
      });
      return [status, body.errcode];
    };
    expect(await send((body) => ({ ...body, mac: '00' }))).toEqual([403, 'M_UNKNOWN']);
    expect(await send((body) => ({ ...body, mac: 'not hex' }))).toEqual([403, 'M_UNKNOWN']);
    expect(await send((body) => ({ ...body, admin: true }))).toEqual([403, 'M_UNKNOWN']);
    expect(await send((body) => ({ ...body, nonce: 'made up' }))).toEqual([400, 'M_UNKNOWN']);
    expect(await send((body) => body, 60_000)).toEqual([400, 'M_UNKNOWN']);
    expect(await send(({ mac: _mac, ...body }) => body)).toEqual([400, 'M_MISSING_PARAM']);
    expect(await send((body) => ({ ...body, username: 'e\0ve' }))).toEqual([400, 'M_INVALID_PARAM']);
    expect(await send((body) => body, 59_999)).toEqual([200, undefined]);
  });

  it('is off without a secret', async () => {
    await using server = await startHttpFixture({ sharedSecret: null });
    const { status, body } = await server.request('GET', path);
    expect([status, body.errcode]).toEqual([400, 'M_UNKNOWN']);
  });
});
