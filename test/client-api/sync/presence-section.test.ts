import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../../support/start-test-server.ts';
import type { TestUser } from '../../support/test-client.ts';
import { eventsOf, look, roomOf, statesOf, type SyncBody, tokenOf } from '../helpers.ts';

let server: TestServer;
let count = 0;

beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.stop());

function users(...names: readonly string[]): Promise<TestUser[]> {
  count += 1;
  return roomOf(server, ...names.map((name) => `${name}${count}`));
}

function filtered(user: TestUser, presence: unknown, since?: string): Promise<SyncBody> {
  return look(user, since, { filter: JSON.stringify({ presence }) });
}

describe('the presence section', () => {
  it('row 169: a user alone gets their own event', async () => {
    const u = await server.register('alone');
    const body: SyncBody = await u.sync({ filter: JSON.stringify({ presence: { types: ['m.presence'] } }) });
    expect(body.presence?.events).toEqual([
      {
        type: 'm.presence',
        sender: u.userId,
        content: { presence: 'online', currently_active: true, last_active_ago: expect.any(Number) },
      },
    ]);
  });

  it('row 170: an initial sync leaves out who is offline', async () => {
    const [a, b] = (await users('a', 'b', 'c')) as [TestUser, TestUser, TestUser];
    await b.setPresence('online');
    expect(statesOf(await a.sync())).toEqual({ [a.userId]: 'online', [b.userId]: 'online' });
  });

  it('row 171: unless they are asked for in the configuration, in a full-state sync, too', async () => {
    await using other = await startTestServer({ config: { presence: { include_offline_users_on_sync: true } } });
    const [a, b, c] = (await roomOf(other, 'a', 'b', 'c')) as [TestUser, TestUser, TestUser];
    await b.setPresence('online');
    const all = { [a.userId]: 'online', [b.userId]: 'online', [c.userId]: 'offline' };
    const body: SyncBody = await a.sync();
    expect(statesOf(body)).toEqual(all);
    expect(statesOf(await a.sync({ since: body.next_batch, full_state: true }))).toEqual(all);
    expect((await look(a, body.next_batch)).presence).toBeUndefined();
  });

  it('a full-state sync tells of everybody again who is not offline', async () => {
    const [a, b] = (await users('a', 'b', 'c')) as [TestUser, TestUser, TestUser];
    await b.setPresence('online');
    const since = await tokenOf(a);
    expect((await look(a, since)).presence).toBeUndefined();
    expect(statesOf(await a.sync({ since, full_state: true, set_presence: 'offline' }))).toEqual({
      [b.userId]: 'online',
    });
  });

  it('row 173: an increment tells of somebody who went offline', async () => {
    const [a, b] = (await users('a', 'b')) as [TestUser, TestUser];
    await b.setPresence('online');
    const since = await tokenOf(a);
    await b.setPresence('offline');
    expect(statesOf(await look(a, since))).toEqual({ [b.userId]: 'offline' });
  });

  it('row 174: is absent when there is nothing to tell', async () => {
    const [a] = (await users('a', 'b')) as [TestUser, TestUser];
    const body = await look(a);
    expect(body).not.toHaveProperty('presence');
    expect(await look(a, body.next_batch)).not.toHaveProperty('presence');
  });

  it.each([
    { types: [] },
    { senders: [] },
    { not_types: ['*'] },
    { not_senders: ['*'] },
    { not_types: ['m.presence'] },
    { types: ['m.room.message'] },
  ])('row 175: the filter %j leaves nothing', async (presence) => {
    const [a, b] = (await users('a', 'b')) as [TestUser, TestUser];
    const since = await tokenOf(a);
    await b.setPresence('online');
    expect(await filtered(a, presence, since)).not.toHaveProperty('presence');
    expect(await filtered(a, presence)).not.toHaveProperty('presence');
  });

  it('row 176: senders picks senders, not_senders drops them', async () => {
    const [a, b, c] = (await users('a', 'b', 'c')) as [TestUser, TestUser, TestUser];
    const since = await tokenOf(a);
    await b.setPresence('online');
    await c.setPresence('online');
    expect(statesOf(await filtered(a, { senders: [b.userId] }, since))).toEqual({ [b.userId]: 'online' });
    expect(statesOf(await filtered(a, { not_senders: [b.userId] }, since))).toEqual({ [c.userId]: 'online' });
    expect(statesOf(await filtered(a, { senders: [`@b*:${server.serverName}`] }))).toEqual({ [b.userId]: 'online' });
  });

  it('row 177: types matches by prefix', async () => {
    const [a, b] = (await users('a', 'b')) as [TestUser, TestUser];
    const since = await tokenOf(a);
    await b.setPresence('online');
    expect(statesOf(await filtered(a, { types: ['m.*'] }, since))).toEqual({ [b.userId]: 'online' });
  });

  it('row 178: limit cuts, and the rest follows at once', async () => {
    const [a, b, c, d] = (await users('a', 'b', 'c', 'd')) as [TestUser, TestUser, TestUser, TestUser];
    let since = await tokenOf(a);
    for (const user of [b, c, d]) await user.setPresence('online');
    const seen: string[] = [];
    for (let i = 0; i < 3; i += 1) {
      const body = await look(a, since, { filter: '{"presence":{"limit":1}}', timeout: 10_000 });
      expect(eventsOf(body)).toHaveLength(1);
      seen.push(...eventsOf(body).map(({ sender }) => sender));
      since = body.next_batch;
    }
    expect(seen.toSorted()).toEqual([b.userId, c.userId, d.userId].toSorted());
    expect((await look(a, since)).presence).toBeUndefined();
  });

  it.each([
    '"not_an_object"',
    '[]',
    '{"types":"m.presence"}',
    '{"senders":["nobody"]}',
    '{"limit":"1"}',
    '{"limit":-1}',
  ])('row 179: refuses the filter %s, inline and stored', async (presence) => {
    const u = await server.register(`filter${(count += 1)}`);
    const filter = `{"presence":${presence}}`;
    expect((await u.request('GET', '/sync', { query: { filter } })).status).toBe(400);
    const path = `/user/${encodeURIComponent(u.userId)}/filter`;
    expect((await u.request('POST', path, { body: JSON.parse(filter) })).status).toBe(400);
    expect((await u.getPresence(u.userId)).body).toEqual({ presence: 'offline' });
  });

  it('uses a stored filter', async () => {
    const [a, b, c] = (await users('a', 'b', 'c')) as [TestUser, TestUser, TestUser];
    const path = `/user/${encodeURIComponent(a.userId)}/filter`;
    const stored = await a.request('POST', path, { body: { presence: { senders: [b.userId] } } });
    await b.setPresence('online');
    await c.setPresence('online');
    expect(statesOf(await look(a, undefined, { filter: stored.body.filter_id }))).toEqual({ [b.userId]: 'online' });
    expect(await b.request('GET', '/sync', { query: { filter: 'no-such-filter' } })).toMatchObject({
      status: 400,
      body: { errcode: 'M_INVALID_PARAM' },
    });
  });

  it('row 182: refuses another set_presence', async () => {
    const u = await server.register('claims');
    for (const claim of ['foo', '', 'busy', 'ONLINE']) {
      expect(await u.request('GET', '/sync', { query: { set_presence: claim } })).toMatchObject({
        status: 400,
        body: { errcode: 'M_INVALID_PARAM' },
      });
    }
    expect((await u.getPresence(u.userId)).body).toEqual({ presence: 'offline' });
  });

  it('row 183: clamps a token from the future and misses nothing afterwards', async () => {
    const [a, b] = (await users('a', 'b')) as [TestUser, TestUser];
    const token = await tokenOf(a);
    const future = token.replaceAll(/\d+/g, (digits) => String(Number(digits) + 1_000_000));
    const { status, body } = await a.request('GET', '/sync', { query: { since: future, set_presence: 'offline' } });
    expect(status).toBe(200);
    await b.setPresence('online');
    expect(statesOf(await look(a, body.next_batch))).toEqual({ [b.userId]: 'online' });
  });

  it('row 184: several changes of one user are one event with the last state', async () => {
    const [a, b] = (await users('a', 'b')) as [TestUser, TestUser];
    const since = await tokenOf(a);
    await b.setPresence('online', '1');
    await b.setPresence('unavailable', '2');
    await b.setPresence('online', '3');
    expect((await look(a, since)).presence?.events).toMatchObject([
      { sender: b.userId, content: { presence: 'online', status_msg: '3' } },
    ]);
  });

  it('row 185: who changed and is new in a room is there once', async () => {
    const [a, b] = (await users('a', 'b')) as [TestUser, TestUser];
    const roomId = await a.createRoom();
    const c = await server.register(`c${count}`);
    const since = await tokenOf(a);
    await b.setPresence('online');
    await c.setPresence('online');
    await c.join(roomId);
    expect(statesOf(await look(a, since))).toEqual({ [b.userId]: 'online', [c.userId]: 'online' });
  });

  it('rows 189, 190: disabled presence takes stale states back once, and then shows none', async () => {
    await using other = await startTestServer();
    const [u, w] = (await roomOf(other, 'u', 'w')) as [TestUser, TestUser];
    await u.setPresence('online', 'stale');
    const since = await tokenOf(w);
    await other.kill();
    await other.restart({ presence: { enabled: false } });
    const body = await look(w, since);
    expect(statesOf(body)).toEqual({ [u.userId]: 'offline' });
    expect((await look(w, body.next_batch)).presence).toBeUndefined();
    expect((await look(w)).presence).toBeUndefined();
    expect((await u.sync()).presence).toBeUndefined();
  });
});
