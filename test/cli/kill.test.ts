/**
 * A real `kill -9` of the real program, at any moment: what was answered is there, and nobody stays online for ever.
 */
import { describe, expect, it } from 'vitest';
import { spawnServer } from '../support/spawn-server.ts';

describe('kill -9', () => {
  it('loses no account, token, room, event, or presence that was answered', async () => {
    await using server = await spawnServer();
    const alice = await server.register('alice');
    const bob = await server.register('bob');
    const roomId = await alice.createRoom();
    await bob.join(roomId);
    const { next_batch: since } = await bob.sync();
    const send = `/rooms/${encodeURIComponent(roomId)}/send/m.room.message/1`;
    const { body } = await alice.request('PUT', send, { body: { msgtype: 'm.text', body: 'hello' } });
    await alice.setPresence('unavailable', 'brb');
    await server.kill();
    await server.restart();

    const synced = await bob.sync({ since });
    expect(synced.rooms.join[roomId].timeline.events.map(({ event_id }: { event_id: string }) => event_id)).toContain(
      body.event_id,
    );
    expect(synced.presence.events).toContainEqual(
      expect.objectContaining({
        sender: alice.userId,
        content: expect.objectContaining({ presence: 'unavailable', status_msg: 'brb' }),
      }),
    );
    // The same transaction again is the same event.
    expect((await alice.request('PUT', send, { body: { msgtype: 'm.text', body: 'hello' } })).body).toEqual(body);
    expect((await server.login('alice')).userId).toBe(alice.userId);
  });

  it('in the middle of many writes: whatever was answered with 200 is there', async () => {
    await using server = await spawnServer();
    const alice = await server.register('alice');
    const roomId = await alice.createRoom();
    const answered: string[] = [];
    const writer = async (name: string): Promise<void> => {
      for (let index = 0; ; index++) {
        const path = `/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${name}${index}`;
        const response = await alice.request('PUT', path, { body: { msgtype: 'm.text', body: `${name} ${index}` } });
        if (response.status === 200) answered.push(response.body.event_id);
      }
    };
    const writers = ['a', 'b', 'c', 'd'].map((name) => writer(name).catch(() => undefined));
    await expect.poll(() => answered.length, { timeout: 10_000, interval: 5 }).toBeGreaterThan(100);
    await Promise.all([server.kill(), ...writers]);
    await server.restart();
    const found = new Set<string>();
    let from: string | undefined;
    do {
      const { body } = await alice.request('GET', `/rooms/${encodeURIComponent(roomId)}/messages`, {
        query: { dir: 'b', limit: 500, from },
      });
      for (const { event_id } of body.chunk) found.add(event_id);
      from = body.end;
    } while (from !== undefined);
    expect(answered.filter((eventId) => !found.has(eventId))).toEqual([]);
  });

  it('leaves nobody online for ever, and tells whoever watches', async () => {
    await using server = await spawnServer({
      config: { presence: { sync_online_timeout: 1000, idle_timeout: 5000, last_active_granularity: 1000 } },
    });
    const alice = await server.register('alice');
    const bob = await server.register('bob');
    const roomId = await alice.createRoom();
    await bob.join(roomId);
    await alice.sync();
    const { since } = await bob.waitForPresence(alice.userId, ({ presence }) => presence === 'online');
    await server.kill();
    await server.restart();
    const { content } = await bob.waitForPresence(alice.userId, ({ presence }) => presence === 'offline', { since });
    expect(content.presence).toBe('offline');
  });
});
