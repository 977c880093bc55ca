import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type HttpFixture, startHttpFixture } from '../support/http-fixture.ts';
import type { TestUser } from '../support/test-client.ts';

describe('authentication', () => {
  let server: HttpFixture;
  let alice: TestUser;
  let bob: TestUser;
  const status = (userId: string): string => `/presence/${encodeURIComponent(userId)}/status`;

  beforeAll(async () => {
    server = await startHttpFixture();
    alice = await server.register('alice');
    bob = await server.register('bob');
  });
  afterAll(() => server[Symbol.asyncDispose]());

  it('row 143: without a token 401 M_MISSING_TOKEN, with an unknown one 401 M_UNKNOWN_TOKEN', async () => {
    for (const method of ['GET', 'PUT']) {
      const missing = await server.request(method, status(alice.userId));
      expect([missing.status, missing.body.errcode]).toEqual([401, 'M_MISSING_TOKEN']);
      const unknown = await server.request(method, status(alice.userId), { token: 'no such token' });
      expect([unknown.status, unknown.body.errcode, unknown.body.soft_logout]).toEqual([401, 'M_UNKNOWN_TOKEN', false]);
    }
  });

  it('row 143: an empty or foreign Authorization header is no token', async () => {
    for (const authorization of ['Bearer', 'Bearer ', 'Basic dXNlcjpwYXNz', alice.accessToken]) {
      const { status: code, body } = await server.request('GET', '/account/whoami', { headers: { authorization } });
      expect([code, body.errcode], authorization).toEqual([401, 'M_MISSING_TOKEN']);
    }
  });

  it('rows 145, 146: nobody sets the presence of somebody else, not even an administrator', async () => {
    await server.accounts.sessions.register({ username: 'root', password: 'root', isAdmin: true, device: null });
    const root = await server.login('root');
    for (const user of [alice, root]) {
      const { status: code, body } = await user.request('PUT', status(bob.userId), { body: { presence: 'online' } });
      expect([code, body.errcode]).toEqual([403, 'M_FORBIDDEN']);
    }
    expect(server.presenceCalls).toEqual([]);
  });

  it('row 147: what is not a user id is 400 M_INVALID_PARAM', async () => {
    for (const id of ['alice', '@alice', ' @alice:test.example']) {
      for (const method of ['GET', 'PUT']) {
        const { status: code, body } = await alice.request(
          method,
          status(id),
          method === 'PUT' ? { body: { presence: 'online' } } : {},
        );
        expect([code, body.errcode], `${method} ${id}`).toEqual([400, 'M_INVALID_PARAM']);
      }
    }
  });

  it('row 148: bodies that are not JSON, not an object, or have the wrong keys', async () => {
    const cases = [
      ['not json', 'M_NOT_JSON'],
      ['', 'M_NOT_JSON'],
      ['[]', 'M_BAD_JSON'],
      ['"online"', 'M_BAD_JSON'],
      ['null', 'M_BAD_JSON'],
      ['{}', 'M_UNKNOWN'],
      ['{"presence":"online","x":1}', 'M_UNKNOWN'],
    ];
    for (const [body, errcode] of cases) {
      const response = await alice.request('PUT', status(alice.userId), { body });
      expect([response.status, response.body.errcode], body).toEqual([400, errcode]);
    }
  });

  it('row 151: a percent-encoded id, and the old prefixes, reach the operation', async () => {
    const before = server.presenceCalls.length;
    const ids = [alice.userId, encodeURIComponent(alice.userId), '%40alice%3Atest.example'];
    for (const version of ['v3', 'r0', 'unstable', 'api/v1']) {
      for (const id of ids) {
        const path = `/_matrix/client/${version}/presence/${id}/status`;
        const put = await alice.request('PUT', path, { body: { presence: 'online' } });
        expect([put.status, put.body], path).toEqual([200, {}]);
        expect((await alice.request('GET', path)).status, path).toBe(200);
      }
    }
    expect(server.presenceCalls.length - before).toBe(12);
    expect(server.presenceCalls.at(-1)).toMatchObject({ userId: alice.userId, deviceId: alice.deviceId });
  });

  it('takes the token from the query, as old clients send it, and the header first', async () => {
    const query = { access_token: alice.accessToken };
    expect((await server.request('GET', '/account/whoami', { query })).body.user_id).toBe(alice.userId);
    const both = await bob.request('GET', '/account/whoami', { query });
    expect(both.body.user_id).toBe(bob.userId);
    const empty = await server.request('GET', '/account/whoami', { query: { access_token: '' } });
    expect(empty.body.errcode).toBe('M_MISSING_TOKEN');
    const lowercase = await server.request('GET', '/account/whoami', {
      headers: { authorization: `bearer ${alice.accessToken}` },
    });
    expect(lowercase.body.user_id).toBe(alice.userId);
  });

  it('tells whose token it is', async () => {
    expect((await alice.request('GET', '/account/whoami')).body).toEqual({
      user_id: alice.userId,
      device_id: alice.deviceId,
      is_guest: false,
    });
  });

  it('never writes a token to the log', async () => {
    await server.request('GET', '/account/whoami', { query: { access_token: alice.accessToken } });
    await alice.request('GET', '/account/whoami');
    const text = JSON.stringify(server.logger.lines);
    expect(text).toContain('/account/whoami');
    expect(text).not.toContain(alice.accessToken);
  });

  it('stores tokens as hashes only, and passwords not at all', async () => {
    const tables = ['users', 'devices', 'access_tokens'];
    const rows = tables.flatMap((table) => server.database.prepare(`SELECT * FROM ${table}`).all());
    const text = JSON.stringify(rows);
    expect(text).toContain('scrypt$');
    expect(text).not.toContain(alice.accessToken);
    expect(text).not.toContain('"alice:');
    expect(
      rows.some((row) => Object.values(row as object).includes('alice') && 'password_hash' in (row as object)),
    ).toBe(true);
    expect(text).not.toMatch(/"password_hash":"(?!scrypt\$)/);
  });
});
