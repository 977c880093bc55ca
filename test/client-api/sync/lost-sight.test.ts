import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../../support/start-test-server.ts';
import type { TestUser } from '../../support/test-client.ts';
import { look, statesOf, type SyncBody, tokenOf, waitingPolls } from '../helpers.ts';

let server: TestServer;
let count = 0;

beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.stop());

/** Three fresh users who are online, and the id of their room. */
async function meet(on = server): Promise<{ users: [TestUser, TestUser, TestUser]; roomId: string }> {
  count += 1;
  const names = ['a', 'b', 'c'].map((name) => `${name}${count}`);
  const users = (await Promise.all(names.map((name) => on.register(name)))) as [TestUser, TestUser, TestUser];
  const roomId = await users[0].createRoom();
  for (const user of users.slice(1)) await user.join(roomId);
  for (const user of users) await user.setPresence('online');
  return { users, roomId };
}

async function post(user: TestUser, roomId: string, what: string, body: unknown = {}): Promise<void> {
  expect((await user.request('POST', `/rooms/${encodeURIComponent(roomId)}/${what}`, { body })).status).toBe(200);
}

describe('whoever leaves the last common room', () => {
  it('row 322: goes offline for those who stay, and they for them, also for a client that was away over a restart', async () => {
    const { users, roomId } = await meet();
    const [a, b, c] = users;
    const [ofA, ofB] = [await tokenOf(a), await tokenOf(b)];
    await post(b, roomId, 'leave');
    const seenByA = { [b.userId]: 'offline' };
    const seenByB = { [a.userId]: 'offline', [c.userId]: 'offline' };
    const first = await look(a, ofA);
    expect(statesOf(first)).toEqual(seenByA);
    expect((await look(a, first.next_batch)).presence).toBeUndefined();
    expect(statesOf(await look(b, ofB))).toEqual(seenByB);
    await server.restart();
    // Clients come back before anybody is offline for having none.
    expect(statesOf(await look(a, ofA))[b.userId]).toBe('offline');
    expect(statesOf(await look(b, ofB))).toEqual(seenByB);
    expect((await b.getPresence(a.userId)).status).toBe(403);
  });

  it('ends the polls of those who stay', async () => {
    const { users, roomId } = await meet();
    const [a, b, c] = users;
    const since = await tokenOf(a);
    const poll: Promise<SyncBody> = a.sync({ since, timeout: 30_000, set_presence: 'offline' });
    await waitingPolls(server, 1);
    await post(a, roomId, 'kick', { user_id: b.userId });
    expect(statesOf(await poll)).toEqual({ [b.userId]: 'offline' });
    expect(statesOf(await look(c, await tokenOf(c)))).toEqual({});
  });

  it('stays in sight of who shares another room, and of nobody who was never told of them', async () => {
    const { users, roomId } = await meet();
    const [a, b, c] = users;
    await c.join(await b.createRoom());
    const [ofA, ofC] = [await tokenOf(a), await tokenOf(c)];
    const d = await server.register(`d${count}`);
    const ofD = await tokenOf(d);
    await post(b, roomId, 'leave');
    expect(statesOf(await look(c, ofC))).toEqual({});
    expect(statesOf(await look(a, ofA))).toEqual({ [b.userId]: 'offline' });
    await d.join(roomId);
    expect(statesOf(await look(d, ofD))).toEqual({ [a.userId]: 'online', [c.userId]: 'online' });
  });

  it('row 324: is just not told of any more, if the configuration says so', async () => {
    await using other = await startTestServer({ config: { presence: { tell_offline_on_loss: false } } });
    const { users, roomId } = await meet(other);
    const [a, b] = users;
    const since = await tokenOf(a);
    await post(b, roomId, 'leave');
    expect(statesOf(await look(a, since))).toEqual({});
  });

  it('was in sight of nobody in a room that is left out of presence', async () => {
    await using other = await startTestServer();
    const [a] = (await meet(other)).users;
    const hall = await a.createRoom();
    const d = await other.register('d');
    await d.join(hall);
    await other.restart({ exclude_rooms_from_presence: [hall] });
    await d.setPresence('online');
    const since = await tokenOf(a);
    await post(d, hall, 'leave');
    expect(Object.keys(statesOf(await look(a, since)))).not.toContain(d.userId);
  });
});
