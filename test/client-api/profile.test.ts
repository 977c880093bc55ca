import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type HttpFixture, startHttpFixture } from '../support/http-fixture.ts';
import type { TestUser } from '../support/test-client.ts';

describe('profiles', () => {
  let server: HttpFixture;
  let alice: TestUser;
  let bob: TestUser;
  const changes: unknown[] = [];

  beforeAll(async () => {
    server = await startHttpFixture();
    alice = await server.register('alice');
    bob = await server.register('bob');
    server.accounts.events.on('profileChanged', (userId, profile) => changes.push([userId, profile]));
  });
  afterAll(() => server[Symbol.asyncDispose]());

  it('start with the localpart as name, and anybody may read them', async () => {
    const path = `/profile/${encodeURIComponent(alice.userId)}`;
    expect((await server.request('GET', path)).body).toEqual({ displayname: 'alice' });
    expect((await server.request('GET', `${path}/displayname`)).body).toEqual({ displayname: 'alice' });
    expect((await server.request('GET', `${path}/avatar_url`)).body).toEqual({});
  });

  it('are changed by their user, and rooms hear of it once per change', async () => {
    const path = `/profile/${alice.userId}`;
    const set = (key: string, value: unknown) => alice.request('PUT', `${path}/${key}`, { body: { [key]: value } });
    expect((await set('displayname', 'Alice')).body).toEqual({});
    expect((await set('avatar_url', 'mxc://test.example/a')).body).toEqual({});
    expect((await set('displayname', 'Alice')).body).toEqual({});
    expect((await server.request('GET', path)).body).toEqual({
      displayname: 'Alice',
      avatar_url: 'mxc://test.example/a',
    });
    expect(changes).toEqual([
      [alice.userId, { displayname: 'Alice', avatarUrl: null }],
      [alice.userId, { displayname: 'Alice', avatarUrl: 'mxc://test.example/a' }],
    ]);
    await set('avatar_url', '');
    await set('displayname', null);
    expect((await server.request('GET', path)).body).toEqual({});
  });

  it('refuse what is too long, of the wrong type, or somebody else’s', async () => {
    const put = (user: TestUser, body: unknown, of = alice.userId) =>
      user.request('PUT', `/profile/${of}/displayname`, { body });
    const cases: [unknown, number, string][] = [
      [{ displayname: 'x'.repeat(257) }, 400, 'M_INVALID_PARAM'],
      [{ displayname: 5 }, 400, 'M_BAD_JSON'],
      [{}, 400, 'M_MISSING_PARAM'],
    ];
    for (const [body, status, errcode] of cases) {
      const response = await put(alice, body);
      expect([response.status, response.body.errcode]).toEqual([status, errcode]);
    }
    expect((await put(alice, { displayname: 'x'.repeat(256) })).status).toBe(200);
    const other = await put(bob, { displayname: 'Bob was here' });
    expect([other.status, other.body.errcode]).toEqual([403, 'M_FORBIDDEN']);
    expect((await put(alice, { displayname: 'x' }, 'alice')).body.errcode).toBe('M_INVALID_PARAM');
  });

  it('of nobody are 404', async () => {
    const { status, body } = await server.request('GET', '/profile/@nobody:test.example');
    expect([status, body.errcode]).toEqual([404, 'M_NOT_FOUND']);
  });
});

describe('what clients ask when they start', () => {
  it('versions, capabilities, TURN servers, and where the server is', async () => {
    await using server = await startHttpFixture();
    const alice = await server.register('alice');
    const versions = await server.request('GET', '/_matrix/client/versions');
    expect(versions.body.versions).toEqual(expect.arrayContaining(['r0.6.1', 'v1.1', 'v1.11']));
    expect(versions.body.unstable_features).toEqual({ 'org.matrix.msc3026.busy_presence': true });
    const { capabilities } = (await alice.request('GET', '/capabilities')).body;
    expect(capabilities['m.change_password']).toEqual({ enabled: true });
    expect(capabilities['m.room_versions'].available).toHaveProperty(capabilities['m.room_versions'].default, 'stable');
    expect((await alice.request('GET', '/voip/turnServer')).body).toEqual({});
    const wellKnown = await fetch(`${server.baseUrl}/.well-known/matrix/client`);
    expect(wellKnown.headers.get('access-control-allow-origin')).toBe('*');
    expect(await wellKnown.json()).toEqual({ 'm.homeserver': { base_url: 'https://test.example/' } });
  });
});
