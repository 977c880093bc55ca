import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../../support/start-test-server.ts';
import type { TestUser } from '../../support/test-client.ts';

let server: TestServer;
let user: TestUser;
let room: string;
let path: string;
let eventId: string;

beforeAll(async () => {
  server = await startTestServer();
  user = await server.register('user');
  room = await user.createRoom();
  path = `/rooms/${encodeURIComponent(room)}`;
  eventId = encodeURIComponent((await user.request('PUT', `${path}/state/x`, { body: {} })).body.event_id);
});
afterAll(() => server.stop());
beforeEach(async () => {
  await user.setPresence('unavailable');
  expect(await presence()).toBe('unavailable');
});

const presence = async (): Promise<string> => (await user.getPresence(user.userId)).body.presence;
let txns = 0;
const send = (type: string): Promise<{ status: number }> =>
  user.request('PUT', `${path}/send/${type}/t${(txns += 1)}`, { body: { body: 'x' } });

describe('what somebody does makes them online', () => {
  it.each(['m.room.message', 'm.room.encrypted'])('rows 27, 32: sending %s', async (type) => {
    expect((await send(type)).status).toBe(200);
    expect(await presence()).toBe('online');
  });

  it.each(['m.read', 'm.read.private', 'm.fully_read'])('row 30: a receipt of the type %s', async (type) => {
    expect((await user.request('POST', `${path}/receipt/${type}/${eventId}`)).status).toBe(200);
    expect(await presence()).toBe('online');
  });

  it('row 30: read markers, even when their body is nothing', async () => {
    expect((await user.request('POST', `${path}/read_markers`, { body: '{' })).status).toBe(400);
    expect(await presence()).toBe('online');
  });

  it.each([true, false])('row 30: typing %s', async (typing) => {
    const target = `${path}/typing/${encodeURIComponent(user.userId)}`;
    expect((await user.request('PUT', target, { body: { typing } })).status).toBe(200);
    expect(await presence()).toBe('online');
  });

  it('row 30: typing before the room is asked, but not before the body is read', async () => {
    const target = `/rooms/!nowhere/typing/${encodeURIComponent(user.userId)}`;
    expect((await user.request('PUT', target, { body: {} })).status).toBe(400);
    expect(await presence()).toBe('unavailable');
    expect((await user.request('PUT', target, { body: { typing: true } })).status).toBe(403);
    expect(await presence()).toBe('online');
  });

  it('row 30: a receipt of no known type is nothing', async () => {
    expect((await user.request('POST', `${path}/receipt/m.what/${eventId}`)).status).toBe(400);
    expect(await presence()).toBe('unavailable');
  });

  it('row 31: joining, a topic, a reaction, a redaction and a new name are not', async () => {
    const created = await user.createRoom();
    const responses = [
      await user.request('POST', `/join/${encodeURIComponent(created)}`),
      await user.request('PUT', `${path}/state/m.room.topic`, { body: { topic: 't' } }),
      await send('m.reaction'),
      await user.request('PUT', `${path}/redact/${eventId}/r1`),
      await user.request('PUT', `/profile/${encodeURIComponent(user.userId)}/displayname`, {
        body: { displayname: 'n' },
      }),
    ];
    expect(responses.map((response) => response.status)).toEqual([200, 200, 200, 200, 200]);
    expect(await presence()).toBe('unavailable');
  });

  it('row 27: a message that was refused is not', async () => {
    const { status } = await user.request('PUT', '/rooms/!nowhere/send/m.room.message/t', { body: {} });
    expect(status).toBe(403);
    expect(await presence()).toBe('unavailable');
  });
});
