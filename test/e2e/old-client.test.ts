/**
 * The habits of an old client: the `r0` prefix, the token in the query, `user` instead of an identifier, no filter.
 */
import { describe, expect, it } from 'vitest';
import { startTestServer } from '../support/start-test-server.ts';

const r0 = '/_matrix/client/r0';

describe('a client that speaks r0 with its token in the query', () => {
  it('logs in, joins, syncs and sets presence', async () => {
    await using server = await startTestServer();
    const alice = await server.register('alice');
    const roomId = await alice.createRoom();

    const registered = await server.request('POST', `${r0}/register`, {
      body: { username: 'old', password: 'pass word', auth: { type: 'm.login.dummy' } },
    });
    expect(registered.status).toBe(200);
    const login = await server.request('POST', `${r0}/login`, {
      body: { type: 'm.login.password', user: 'old', password: 'pass word' },
    });
    expect(login.status).toBe(200);
    const query = { access_token: login.body.access_token as string };

    const joined = await server.request('POST', `${r0}/join/${encodeURIComponent(roomId)}`, { query });
    expect(joined.body).toEqual({ room_id: roomId });
    const first = await server.request('GET', `${r0}/sync`, { query });
    expect(Object.keys(first.body.rooms.join)).toEqual([roomId]);

    const put = await server.request('PUT', `${r0}/presence/@old:test.example/status`, {
      query,
      body: { presence: 'unavailable', status_msg: 'old but here' },
    });
    expect(put.status).toBe(200);
    const { content } = await alice.waitForPresence('@old:test.example', (seen) => seen.presence === 'unavailable');
    expect(content.status_msg).toBe('old but here');

    const sent = await server.request('PUT', `${r0}/rooms/${encodeURIComponent(roomId)}/send/m.room.message/1`, {
      query,
      body: { msgtype: 'm.text', body: 'hello' },
    });
    expect(sent.body.event_id).toMatch(/^\$/);
    const next = await server.request('GET', `${r0}/sync`, { query: { ...query, since: first.body.next_batch } });
    expect(next.body.rooms.join[roomId].timeline.events.at(-1).content.body).toBe('hello');
    expect((await server.request('GET', `${r0}/presence/@alice:test.example/status`, { query })).body.presence).toBe(
      'online',
    );
  });
});
