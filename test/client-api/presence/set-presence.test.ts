import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../../support/start-test-server.ts';
import type { TestUser } from '../../support/test-client.ts';
import { look, roomOf, statesOf, tokenOf } from '../helpers.ts';

let server: TestServer;
let user: TestUser;
let watcher: TestUser;
let path: string;

beforeAll(async () => {
  server = await startTestServer();
  [user, watcher] = (await roomOf(server, 'user', 'watcher')) as [TestUser, TestUser];
  path = `/presence/${encodeURIComponent(user.userId)}/status`;
});
afterAll(() => server.stop());

function put(body: unknown): Promise<{ status: number; body: { errcode?: string } }> {
  return user.request('PUT', path, { body });
}

describe('PUT presence', () => {
  it('row 143: wants a token that it knows', async () => {
    expect(await server.request('PUT', path, { body: { presence: 'online' } })).toMatchObject({
      status: 401,
      body: { errcode: 'M_MISSING_TOKEN' },
    });
    expect(await server.request('PUT', path, { body: { presence: 'online' }, token: 'nobody' })).toMatchObject({
      status: 401,
      body: { errcode: 'M_UNKNOWN_TOKEN' },
    });
  });

  it('row 145: refuses to set the presence of somebody else', async () => {
    const other = `/presence/${encodeURIComponent(watcher.userId)}/status`;
    expect(await user.request('PUT', other, { body: { presence: 'online' } })).toMatchObject({
      status: 403,
      body: { errcode: 'M_FORBIDDEN' },
    });
  });

  it.each(['alice', '@alice', '%40alice', '@:test.example', 'alice:test.example'])(
    'row 147: refuses %s as a user id',
    async (userId) => {
      const response = await user.request('PUT', `/presence/${userId}/status`, { body: { presence: 'online' } });
      expect(response).toMatchObject({ status: 400, body: { errcode: 'M_INVALID_PARAM' } });
    },
  );

  it.each([
    ['{', 'M_NOT_JSON'],
    ['', 'M_NOT_JSON'],
    [[], 'M_BAD_JSON'],
    ['"online"', 'M_BAD_JSON'],
    ['null', 'M_BAD_JSON'],
    [{}, 'M_UNKNOWN'],
    [{ status_msg: 'x' }, 'M_UNKNOWN'],
    [{ presence: 'online', x: 1 }, 'M_UNKNOWN'],
  ])('row 148: answers the body %j with %s', async (body, errcode) => {
    expect(await put(body)).toMatchObject({ status: 400, body: { errcode } });
  });

  it.each([5, null, {}, [], true])('row 149: refuses the status message %j', async (statusMsg) => {
    const response = await put({ presence: 'online', status_msg: statusMsg });
    expect(response).toMatchObject({ status: 400, body: { errcode: 'M_UNKNOWN' } });
  });

  it.each(['here', 5, ['online'], null, 'Online', ''])('row 150: refuses the state %j', async (presence) => {
    expect(await put({ presence })).toMatchObject({ status: 400, body: { errcode: 'M_UNKNOWN' } });
  });

  it('row 150: changes nothing when it refuses', async () => {
    await user.setPresence('online', 'before');
    await put({ presence: 'here', status_msg: 'after' });
    await put({ presence: 'online', status_msg: 'after', more: 1 });
    expect((await user.getPresence(user.userId)).body.status_msg).toBe('before');
  });

  it.each(['v3', 'r0', 'unstable', 'api/v1'])('row 151: takes the encoded own id below %s', async (version) => {
    const versioned = `/_matrix/client/${version}${path}`;
    expect(path).toContain('%40');
    expect(await user.request('PUT', versioned, { body: { presence: 'online', status_msg: version } })).toMatchObject({
      status: 200,
      body: {},
    });
    expect((await user.request('GET', versioned)).body).toMatchObject({ status_msg: version });
    const plain = `/_matrix/client/${version}/presence/${user.userId}/status`;
    expect((await user.request('PUT', plain, { body: { presence: 'online' } })).status).toBe(200);
  });

  it('row 152: keeps a long status message as it is, up to the limit in bytes', async () => {
    const long = 'ö'.repeat(30_000);
    expect((await user.setPresence('online', long)).status).toBe(200);
    expect((await user.getPresence(user.userId)).body.status_msg).toBe(long);
    expect((await user.setPresence('online', 'x'.repeat(65_536))).status).toBe(200);
    expect(await user.setPresence('online', 'x'.repeat(65_537))).toMatchObject({
      status: 413,
      body: { errcode: 'M_TOO_LARGE' },
    });
    expect(await user.setPresence('online', 'ö'.repeat(32_769))).toMatchObject({ status: 413 });
    expect((await user.getPresence(user.userId)).body.status_msg).toBe('x'.repeat(65_536));
    await user.setPresence('online');
  });

  it('row 146: refuses a server admin the presence of somebody else', async () => {
    const { createHmac } = await import('node:crypto');
    const url = '/_synapse/admin/v1/register';
    const { nonce } = (await server.request('GET', url)).body;
    const mac = createHmac('sha1', 'test secret').update([nonce, 'root', 'secret', 'admin'].join('\0')).digest('hex');
    const registered = await server.request('POST', url, {
      body: { nonce, username: 'root', password: 'secret', admin: true, mac },
    });
    expect(registered.status).toBe(200);
    const options = { body: { presence: 'online' }, token: registered.body.access_token };
    expect(await server.request('PUT', path, options)).toMatchObject({
      status: 403,
      body: { errcode: 'M_FORBIDDEN' },
    });
  });

  it('row 9: forgets the status message when it is left out', async () => {
    await user.setPresence('online', 'busy bee');
    await user.setPresence('online');
    expect((await user.getPresence(user.userId)).body).not.toHaveProperty('status_msg');
  });

  it('row 10: goes offline without a status message', async () => {
    await user.setPresence('online', 'busy bee');
    await user.setPresence('offline');
    const { body } = await watcher.getPresence(user.userId);
    expect(body).toMatchObject({ presence: 'offline' });
    expect(body).not.toHaveProperty('status_msg');
  });

  it('row 11: goes offline with another status message, which watchers see', async () => {
    await user.setPresence('online', 'a');
    const since = await tokenOf(watcher);
    await user.setPresence('offline', 'b');
    const body = await look(watcher, since);
    expect(body.presence?.events).toMatchObject([
      { type: 'm.presence', sender: user.userId, content: { presence: 'offline', status_msg: 'b' } },
    ]);
  });

  it('row 48: one change of the status message is told once', async () => {
    await user.setPresence('online', 'one');
    const since = await tokenOf(watcher);
    await user.setPresence('online', 'two');
    const body = await look(watcher, since);
    expect(body.presence?.events).toHaveLength(1);
    expect((await look(watcher, body.next_batch)).presence).toBeUndefined();
  });

  it('row 57: refuses the bare busy, and row 56: busy while it is not enabled', async () => {
    expect(await put({ presence: 'busy' })).toMatchObject({ status: 400, body: { errcode: 'M_UNKNOWN' } });
    expect(await put({ presence: 'org.matrix.msc3026.busy' })).toMatchObject({ status: 400 });
  });

  it('row 59: says in /versions that busy is not enabled', async () => {
    const { body } = await server.request('GET', '/_matrix/client/versions');
    expect(body.unstable_features['org.matrix.msc3026.busy_presence']).toBe(false);
  });
});

describe('PUT presence with busy', () => {
  it('rows 56, 57, 58, 59, 65: takes busy from PUT only, and shows it', async () => {
    await using busyServer = await startTestServer({ config: { experimental_features: { msc3026_enabled: true } } });
    const [u, w] = (await roomOf(busyServer, 'u', 'w')) as [TestUser, TestUser];
    const since = await tokenOf(w);
    expect((await u.setPresence('org.matrix.msc3026.busy')).status).toBe(200);
    const [event] = (await look(w, since)).presence?.events ?? [];
    expect(event?.content).toEqual({
      presence: 'org.matrix.msc3026.busy',
      last_active_ago: expect.any(Number),
    });
    expect(await u.setPresence('busy')).toMatchObject({ status: 400, body: { errcode: 'M_UNKNOWN' } });
    const sync = await u.request('GET', '/sync', { query: { set_presence: 'org.matrix.msc3026.busy' } });
    expect(sync).toMatchObject({ status: 400, body: { errcode: 'M_INVALID_PARAM' } });
    const { body } = await busyServer.request('GET', '/_matrix/client/versions');
    expect(body.unstable_features['org.matrix.msc3026.busy_presence']).toBe(true);
    // Row 60: a sync does not clear it. Row 61: a PUT does.
    await u.sync();
    expect((await u.getPresence(u.userId)).body.presence).toBe('org.matrix.msc3026.busy');
    await u.setPresence('online');
    expect((await u.getPresence(u.userId)).body.presence).toBe('online');
  });
});

describe('PUT presence in other modes', () => {
  it.each([
    ['row 164: disabled', false],
    ['row 165: untracked', 'untracked'],
  ])('%s: checks the shape, and has no effect', async (_name, enabled) => {
    await using other = await startTestServer({ config: { presence: { enabled } } });
    const u = await other.register('u');
    expect(await u.setPresence('here')).toMatchObject({ status: 200, body: {} });
    expect(await u.setPresence('online')).toMatchObject({ status: 200, body: {} });
    expect((await u.getPresence(u.userId)).body).toEqual({ presence: 'offline' });
    expect(statesOf(await u.sync())).toEqual({});
    // Row 166.
    const url = `/presence/${u.userId}/status`;
    expect(await u.request('PUT', url, { body: { presence: 'online', status_msg: 5 } })).toMatchObject({
      status: 400,
      body: { errcode: 'M_UNKNOWN' },
    });
  });

  it('row 166: refuses a status message that is no text in either mode', async () => {
    for (const enabled of [false, 'untracked']) {
      await using other = await startTestServer({ config: { presence: { enabled } } });
      const u = await other.register('u');
      const url = `/presence/${u.userId}/status`;
      const response = await u.request('PUT', url, { body: { presence: 'online', status_msg: 5 } });
      expect(response).toMatchObject({ status: 400, body: { errcode: 'M_UNKNOWN' } });
    }
  });
});
