import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../../src/adapters/memory/manual-clock.ts';
import { startTestServer, type TestServer } from '../../support/start-test-server.ts';
import type { TestUser } from '../../support/test-client.ts';
import { look, pollsOf, roomOf, statesOf, type SyncBody, tokenOf, waitingPolls } from '../helpers.ts';

async function presenceOf(user: TestUser): Promise<string> {
  return (await user.getPresence(user.userId)).body.presence;
}

/** A poll that stays open for as long as the test wants. */
async function openPoll(server: TestServer, user: TestUser): Promise<{ since: string; end: () => Promise<void> }> {
  const body: SyncBody = await user.sync();
  const controller = new AbortController();
  const before = await pollsOf(server);
  const poll = user.sync({ since: body.next_batch, timeout: 280_000 }, controller.signal).catch(() => undefined);
  await waitingPolls(server, before + 1);
  return {
    since: body.next_batch,
    end: async () => {
      controller.abort();
      await poll;
      await waitingPolls(server, before);
    },
  };
}

describe('presence by sync', () => {
  it('row 3: a sync brings a fresh user online, and shows it', async () => {
    await using server = await startTestServer();
    const user = await server.register('u');
    expect(statesOf(await user.sync())).toEqual({ [user.userId]: 'online' });
    expect(await presenceOf(user)).toBe('online');
  });

  it('row 4: a sync can claim to be unavailable, and watchers see it', async () => {
    await using server = await startTestServer();
    const [user, watcher] = (await roomOf(server, 'u', 'w')) as [TestUser, TestUser];
    const since = await tokenOf(watcher);
    await user.sync({ set_presence: 'unavailable' });
    expect(statesOf(await look(watcher, since))).toEqual({ [user.userId]: 'unavailable' });
    expect(await presenceOf(user)).toBe('unavailable');
  });

  it('row 5: a sync with set_presence=offline changes nothing', async () => {
    await using server = await startTestServer();
    const user = await server.register('u');
    expect((await user.sync({ set_presence: 'offline' })).presence).toBeUndefined();
    expect(await presenceOf(user)).toBe('offline');
  });

  it('rows 6, 7, 8: what a sync does to somebody who is unavailable by PUT', async () => {
    await using server = await startTestServer();
    const user = await server.register('u');
    await user.setPresence('unavailable', 'lunch');
    await user.sync({ set_presence: 'offline' });
    expect((await user.getPresence(user.userId)).body).toMatchObject({ presence: 'unavailable', status_msg: 'lunch' });
    await user.sync({ set_presence: 'online' });
    expect((await user.getPresence(user.userId)).body).toMatchObject({ presence: 'online', status_msg: 'lunch' });
  });

  it('row 36: PUT offline from one device leaves the other online, and its status message counts', async () => {
    await using server = await startTestServer();
    const [a, watcher] = (await roomOf(server, 'u', 'w')) as [TestUser, TestUser];
    const b = await server.login('u');
    const poll = await openPoll(server, b);
    const since = await tokenOf(watcher);
    expect((await a.setPresence('offline', 'bye')).status).toBe(200);
    expect((await look(watcher, since)).presence?.events).toMatchObject([
      { sender: a.userId, content: { presence: 'online', status_msg: 'bye' } },
    ]);
    await poll.end();
  });

  it('row 37: PUT offline counts although the device’s sync is open, until its next sync', async () => {
    const clock = new ManualClock();
    await using server = await startTestServer({ overrides: { clock } });
    const user = await server.register('u');
    const body: SyncBody = await user.sync();
    const controller = new AbortController();
    // Own changes would end the poll: it does not want to hear of them.
    const filter = JSON.stringify({ presence: { types: [] } });
    const poll = user
      .sync({ since: body.next_batch, timeout: 280_000, filter }, controller.signal)
      .catch(() => undefined);
    await waitingPolls(server, 1);
    await user.setPresence('offline');
    expect(await presenceOf(user)).toBe('offline');
    await clock.advance(60_000);
    expect(await presenceOf(user)).toBe('offline');
    await user.sync();
    expect(await presenceOf(user)).toBe('online');
    controller.abort();
    await poll;
  });

  it('row 23: nobody is offline while a counted sync is open, and row 24: 30 to 40 s after it ended they are', async () => {
    const clock = new ManualClock();
    await using server = await startTestServer({ overrides: { clock } });
    const user = await server.register('u');
    const filter = JSON.stringify({ presence: { types: [] } });
    const body: SyncBody = await user.sync({ filter });
    const controller = new AbortController();
    const poll = user
      .sync({ since: body.next_batch, timeout: 280_000, filter }, controller.signal)
      .catch(() => undefined);
    await waitingPolls(server, 1);
    await clock.advance(100_000);
    expect(await presenceOf(user)).toBe('online');
    controller.abort();
    await poll;
    await waitingPolls(server, 0);
    await clock.advance(29_999);
    expect(await presenceOf(user)).toBe('online');
    await clock.advance(10_001);
    expect(await presenceOf(user)).toBe('offline');
  });

  it('a client that goes away without a word ends its in-flight count', async () => {
    const clock = new ManualClock();
    await using server = await startTestServer({ overrides: { clock } });
    const user = await server.register('u');
    for (let i = 0; i < 3; i += 1) {
      const poll = await openPoll(server, user);
      await poll.end();
    }
    await clock.advance(40_000);
    expect(await presenceOf(user)).toBe('offline');
  });
});
