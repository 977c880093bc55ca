import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../../support/start-test-server.ts';
import type { TestUser } from '../../support/test-client.ts';
import { look, roomOf, statesOf, type SyncBody, tokenOf } from '../helpers.ts';

let server: TestServer;
let count = 0;

beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.stop());

/** Fresh users of one room. */
function users(...names: readonly string[]): Promise<TestUser[]> {
  count += 1;
  return roomOf(server, ...names.map((name) => `${name}${count}`));
}

async function leave(user: TestUser, roomId: string): Promise<void> {
  const { status } = await user.request('POST', `/rooms/${encodeURIComponent(roomId)}/leave`, { body: {} });
  expect(status).toBe(200);
}

describe('who sees whom', () => {
  it('row 67: a room mate gets one event with the status message', async () => {
    const [u, w] = (await users('u', 'w')) as [TestUser, TestUser];
    const since = await tokenOf(w);
    await u.setPresence('online', 'hello');
    const body = await look(w, since);
    expect(body.presence?.events).toEqual([
      {
        type: 'm.presence',
        sender: u.userId,
        content: {
          presence: 'online',
          status_msg: 'hello',
          currently_active: true,
          last_active_ago: expect.any(Number),
        },
      },
    ]);
  });

  it('row 68: a room mate sees unavailable', async () => {
    const [u, w] = (await users('u', 'w')) as [TestUser, TestUser];
    const since = await tokenOf(w);
    await u.setPresence('unavailable');
    expect(statesOf(await look(w, since))).toEqual({ [u.userId]: 'unavailable' });
  });

  it('row 69: somebody in two rooms sees the members of both', async () => {
    const [u, b] = (await users('u', 'b')) as [TestUser, TestUser];
    const c = await server.register(`c${count}`);
    await c.join(await u.createRoom());
    const since = await tokenOf(u);
    await b.setPresence('online');
    await c.setPresence('online');
    expect(statesOf(await look(u, since))).toEqual({ [b.userId]: 'online', [c.userId]: 'online' });
  });

  it('row 70: without a room nobody sees anybody, and row 71: everybody sees themselves', async () => {
    count += 1;
    const [u, x] = await Promise.all([server.register(`u${count}`), server.register(`x${count}`)]);
    const [own, others] = [await tokenOf(u), await tokenOf(x)];
    await u.setPresence('online');
    expect(statesOf(await look(u, own))).toEqual({ [u.userId]: 'online' });
    expect((await look(x, others)).presence).toBeUndefined();
    expect((await look(x)).presence).toBeUndefined();
  });

  it('row 71: sees their own change without any room', async () => {
    count += 1;
    const u = await server.register(`u${count}`);
    const since = await tokenOf(u);
    await u.setPresence('unavailable', 'alone');
    expect((await look(u, since)).presence?.events).toMatchObject([
      { sender: u.userId, content: { presence: 'unavailable', status_msg: 'alone' } },
    ]);
  });

  it('row 75: an invitation or a room that was left shows nothing', async () => {
    count += 1;
    const [u, w] = await Promise.all([server.register(`u${count}`), server.register(`w${count}`)]);
    const roomId = await u.createRoom({ preset: 'private_chat', invite: [w.userId] });
    const since = await tokenOf(w);
    await u.setPresence('online');
    expect((await look(w, since)).presence).toBeUndefined();
    expect((await w.getPresence(u.userId)).status).toBe(403);
    await w.join(roomId);
    await leave(w, roomId);
    const later = await tokenOf(w);
    await u.setPresence('unavailable');
    expect((await look(w, later)).presence).toBeUndefined();
    expect((await w.getPresence(u.userId)).status).toBe(403);
  });

  it('row 76: an ignored user is seen', async () => {
    const [u, w] = (await users('u', 'w')) as [TestUser, TestUser];
    const path = `/user/${encodeURIComponent(w.userId)}/account_data/m.ignored_user_list`;
    await w.request('PUT', path, { body: { ignored_users: { [u.userId]: {} } } });
    const since = await tokenOf(w);
    await u.setPresence('online');
    expect(statesOf(await look(w, since))).toEqual({ [u.userId]: 'online' });
  });

  it('row 78: who has left is told nothing more', async () => {
    const [u, w] = await Promise.all([server.register(`lu${count}`), server.register(`lw${count}`)]);
    const roomId = await u.createRoom();
    await w.join(roomId);
    await u.setPresence('online');
    await leave(w, roomId);
    const since = await tokenOf(w);
    await u.setPresence('offline');
    expect((await look(w, since)).presence).toBeUndefined();
  });

  it('row 79: who joins sees everybody in the room, offline ones too, once', async () => {
    const [u, never] = (await users('u', 'never')) as [TestUser, TestUser];
    const roomId = await u.createRoom();
    await never.join(roomId);
    await u.setPresence('online', 'here');
    const w = await server.register(`w${count}`);
    const since = await tokenOf(w);
    await w.join(roomId);
    const body = await look(w, since);
    expect(statesOf(body)).toEqual({ [u.userId]: 'online', [never.userId]: 'offline' });
    const neverEvent = body.presence?.events.find(({ sender }) => sender === never.userId);
    expect(neverEvent?.content).toEqual({ presence: 'offline' });
    expect((await look(w, body.next_batch)).presence).toBeUndefined();
  });

  it('row 80: the members of a room see who joins, once', async () => {
    const [a] = (await users('a', 'a2')) as [TestUser, TestUser];
    const roomId = await a.createRoom();
    const b = await server.register(`b${count}`);
    await b.setPresence('online');
    const since = await tokenOf(a);
    await b.join(roomId);
    const body = await look(a, since);
    expect(statesOf(body)).toEqual({ [b.userId]: 'online' });
    expect((await look(a, body.next_batch)).presence).toBeUndefined();
  });

  it('row 80: a waiting member is woken by the join and gets the presence with it', async () => {
    const [a] = (await users('a', 'a2')) as [TestUser, TestUser];
    const roomId = await a.createRoom();
    const b = await server.register(`b${count}`);
    await b.setPresence('online');
    const poll: Promise<SyncBody> = a.sync({ set_presence: 'offline', since: await tokenOf(a), timeout: 10_000 });
    await b.join(roomId);
    const body = await poll;
    expect(Object.keys(body.rooms.join)).toEqual([roomId]);
    expect(statesOf(body)).toEqual({ [b.userId]: 'online' });
  });

  it('in a new private room both see each other at once (row 84 is the same between servers)', async () => {
    count += 1;
    const [a, b] = await Promise.all([server.register(`pa${count}`), server.register(`pb${count}`)]);
    await Promise.all([a.sync(), b.sync()]);
    const [sinceA, sinceB] = await Promise.all([tokenOf(a), tokenOf(b)]);
    const roomId = await a.createRoom({ preset: 'private_chat', invite: [b.userId] });
    await b.join(roomId);
    const isOnline = ({ presence }: { presence: string }): boolean => presence === 'online';
    await Promise.all([
      a.waitForPresence(b.userId, isOnline, { since: sinceA, withinMs: 5000 }),
      b.waitForPresence(a.userId, isOnline, { since: sinceB, withinMs: 5000 }),
    ]);
  });
});

describe('rooms without presence', () => {
  it('rows 72, 73, 82: a room excluded from presence shows nobody to anybody, by no way', async () => {
    await using own = await startTestServer();
    const [u, w] = await Promise.all([own.register('u'), own.register('w')]);
    const excluded = await u.createRoom();
    await own.restart({ exclude_rooms_from_presence: [excluded] });
    const beforeJoin = await tokenOf(w);
    const ownBefore = await tokenOf(u);
    await w.join(excluded);
    // Row 82: neither who joins nor who is there is shown because of the join.
    const joined = await look(w, beforeJoin);
    expect(Object.keys(joined.rooms.join)).toEqual([excluded]);
    expect(joined.presence).toBeUndefined();
    const seen = await look(u, ownBefore);
    expect(Object.keys(seen.rooms.join)).toEqual([excluded]);
    expect(seen.presence).toBeUndefined();
    // Row 72.
    await u.setPresence('online');
    expect((await look(w, joined.next_batch)).presence).toBeUndefined();
    expect((await look(w)).presence).toBeUndefined();
    expect((await w.getPresence(u.userId)).status).toBe(403);
    expect(statesOf(await look(u, seen.next_batch))).toEqual({ [u.userId]: 'online' });
    // Row 73.
    await w.join(await u.createRoom());
    const since = await tokenOf(w);
    await u.setPresence('unavailable');
    expect(statesOf(await look(w, since))).toEqual({ [u.userId]: 'unavailable' });
    expect((await w.getPresence(u.userId)).status).toBe(200);
  });

  it('row 77: a room that clients are not shown still shows presence', async () => {
    await using own = await startTestServer();
    const [u, w] = await Promise.all([own.register('u'), own.register('w')]);
    const roomId = await u.createRoom();
    await w.join(roomId);
    await own.restart({ exclude_rooms_from_sync: [roomId] });
    const since = await tokenOf(w);
    await u.setPresence('online');
    expect(statesOf(await look(w, since))).toEqual({ [u.userId]: 'online' });
  });
});
