/**
 * A full disk: what cannot be saved is refused, what is saved stays, and everything works again when there is room.
 */
import { describe, expect, it } from 'vitest';
import { startTestServer } from '../support/start-test-server.ts';

const database = (max_page_count?: number) => ({
  name: 'sqlite3',
  args: { database: 'data/thalamus.db', max_page_count },
});

describe('a server whose disk is full', () => {
  it('refuses with 503 or 500 what it cannot save, loses nothing, and goes on when there is room', async () => {
    await using server = await startTestServer();
    const alice = await server.register('alice');
    const roomId = await alice.createRoom();
    await alice.setPresence('online', 'before');

    // No more pages than there are: SQLite says the same as on a full disk.
    await server.restart({ database: database(1) });
    const path = `/rooms/${encodeURIComponent(roomId)}/send/m.room.message/`;
    const sent: string[] = [];
    let refused = null;
    for (let index = 0; index < 500 && refused === null; index++) {
      const body = { msgtype: 'm.text', body: `${index} ${'x'.repeat(2000)}` };
      const response = await alice.request('PUT', `${path}${index}`, { body });
      if (response.status === 200) sent.push(response.body.event_id);
      else refused = response;
    }
    expect(refused).toMatchObject({
      status: expect.toSatisfy((status) => status === 503 || status === 500),
      body: { errcode: 'M_UNKNOWN' },
    });
    expect(JSON.stringify(refused?.body)).not.toMatch(/SQLITE|database|thalamus\.db/);

    // Reading and what needs no new page still works; the server has not given up.
    expect((await server.request('GET', '/health')).status).toBe(200);
    expect((await alice.request('GET', '/account/whoami')).body.user_id).toBe(alice.userId);
    expect((await alice.getPresence(alice.userId)).body.status_msg).toBe('before');

    await server.restart({ database: database() });
    expect((await alice.getPresence(alice.userId)).body.status_msg).toBe('before');
    expect(
      (await alice.request('PUT', `${path}after`, { body: { msgtype: 'm.text', body: 'room again' } })).status,
    ).toBe(200);
    const messages = await alice.request('GET', `/rooms/${encodeURIComponent(roomId)}/messages`, {
      query: { dir: 'b', limit: 1000 },
    });
    const ids = messages.body.chunk.map(({ event_id }: { event_id: string }) => event_id);
    for (const eventId of sent) expect(ids).toContain(eventId);
    expect((await alice.setPresence('unavailable', 'after')).status).toBe(200);
    expect((await alice.getPresence(alice.userId)).body).toMatchObject({
      presence: 'unavailable',
      status_msg: 'after',
    });
  });
});
