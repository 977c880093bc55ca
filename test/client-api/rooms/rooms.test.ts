import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../../support/start-test-server.ts';
import type { TestUser } from '../../support/test-client.ts';

let server: TestServer;
let alice: TestUser;
let bob: TestUser;
let room: string;
let path: string;

beforeAll(async () => {
  server = await startTestServer();
  alice = await server.register('alice');
  bob = await server.register('bob');
});
afterAll(() => server.stop());
beforeEach(async () => {
  room = await alice.createRoom();
  path = `/rooms/${encodeURIComponent(room)}`;
});

/** Status and errcode, or the body of a success. */
async function answer(request: ReturnType<TestUser['request']>): Promise<unknown> {
  const { status, body } = await request;
  return status === 200 ? body : `${status} ${body.errcode}`;
}
const send = (
  user: TestUser,
  body: unknown,
  txnId = Math.random().toString(36).slice(2),
): ReturnType<TestUser['request']> => user.request('PUT', `${path}/send/m.room.message/${txnId}`, { body });

describe('createRoom', () => {
  it('makes a room out of nothing, and with everything', async () => {
    expect(await answer(alice.request('POST', '/createRoom'))).toEqual({ room_id: expect.stringMatching(/^!.+:test/) });
    const body = { name: 'n', invite: [bob.userId], preset: 'trusted_private_chat', is_direct: true, 'org.x': 1 };
    const created = await alice.request('POST', '/createRoom', { body });
    expect(created.headers.get('content-type')).toBe('application/json');
    const { rooms } = await bob.sync();
    expect(rooms.invite[created.body.room_id].invite_state.events).toEqual(
      expect.arrayContaining([
        { type: 'm.room.name', state_key: '', sender: alice.userId, content: { name: 'n' } },
        expect.objectContaining({ state_key: bob.userId, content: expect.objectContaining({ is_direct: true }) }),
      ]),
    );
  });

  it.each([
    ['not JSON', '{', '400 M_NOT_JSON'],
    ['no object', [], '400 M_BAD_JSON'],
    ['a name that is no text', { name: 5 }, '400 M_BAD_JSON'],
    ['an unknown preset', { preset: 'x' }, '400 M_INVALID_PARAM'],
    ['an unknown visibility', { visibility: 'x' }, '400 M_INVALID_PARAM'],
    ['an unknown version', { room_version: '99' }, '400 M_UNSUPPORTED_ROOM_VERSION'],
    ['a version that is no text', { room_version: 10 }, '400 M_BAD_JSON'],
    ['invites that are no list', { invite: '@bob:test' }, '400 M_BAD_JSON'],
    ['invites of no user ids', { invite: ['bob'] }, '400 M_INVALID_PARAM'],
    ['invites of foreign users', { invite: ['@bob:elsewhere.example'] }, '403 M_FORBIDDEN'],
    ['state without a type', { initial_state: [{ content: {} }] }, '400 M_MISSING_PARAM'],
    ['content that is no object', { creation_content: [] }, '400 M_BAD_JSON'],
    ['levels that are no numbers', { power_level_content_override: { ban: '1' } }, '400 M_BAD_JSON'],
  ])('refuses %s', async (_title, body, expected) => {
    expect(await answer(alice.request('POST', '/createRoom', { body }))).toBe(expected);
  });
});

describe('a limit in a filter', () => {
  it('loses no account data, receipts or typing, for which there is no second chance', async () => {
    const limit = { limit: 1 };
    const filter = JSON.stringify({ account_data: limit, room: { account_data: limit, ephemeral: limit } });
    const { next_batch: since } = await alice.sync();
    const { event_id: eventId } = (await alice.request('PUT', `${path}/send/m.x/1`, { body: {} })).body;
    await alice.request('POST', `${path}/receipt/m.read/${encodeURIComponent(eventId)}`, { body: {} });
    const user = encodeURIComponent(alice.userId);
    await alice.request('PUT', `${path}/typing/${user}`, { body: { typing: true } });
    for (const type of ['a', 'b']) {
      await alice.request('PUT', `/user/${user}/account_data/${type}`, { body: {} });
      await alice.request('PUT', `/user/${user}${path}/account_data/${type}`, { body: {} });
    }
    const body = await alice.sync({ since, filter });
    const types = ({ events }: { events: { type: string }[] }) => events.map((event) => event.type).toSorted();
    expect(types(body.account_data)).toEqual(['a', 'b']);
    expect(types(body.rooms.join[room].account_data)).toEqual(['a', 'b']);
    expect(types(body.rooms.join[room].ephemeral)).toEqual(['m.receipt', 'm.typing']);
  });
});

describe('membership', () => {
  it('goes all the way round: join by alias, leave, invite, kick, ban, unban, forget', async () => {
    const alias = `#a${Date.now()}:${server.serverName}`;
    const aliasPath = `/directory/room/${encodeURIComponent(alias)}`;
    expect(await answer(alice.request('PUT', aliasPath, { body: { room_id: room } }))).toEqual({});
    expect(await answer(bob.request('POST', `/join/${encodeURIComponent(alias)}`))).toEqual({ room_id: room });
    expect(await answer(bob.request('GET', '/joined_rooms'))).toEqual({ joined_rooms: [room] });
    expect(await answer(bob.request('GET', `${path}/joined_members`))).toEqual({
      joined: { [alice.userId]: expect.anything(), [bob.userId]: expect.anything() },
    });
    expect(await answer(bob.request('POST', `${path}/leave`, { body: { reason: 'r' } }))).toEqual({});
    const target = { user_id: bob.userId, reason: 'why' };
    expect(await answer(alice.request('POST', `${path}/invite`, { body: target }))).toEqual({});
    expect(await answer(bob.request('POST', `${path}/join`, { body: {} }))).toEqual({ room_id: room });
    expect(await answer(alice.request('POST', `${path}/kick`, { body: target }))).toEqual({});
    expect(await answer(alice.request('POST', `${path}/ban`, { body: target }))).toEqual({});
    expect(await answer(bob.request('POST', `/join/${encodeURIComponent(room)}`))).toBe('403 M_FORBIDDEN');
    expect(await answer(alice.request('POST', `${path}/unban`, { body: target }))).toEqual({});
    expect(await answer(bob.request('POST', `${path}/forget`))).toEqual({});
    const members = await alice.request('GET', `${path}/members`, { query: { not_membership: 'join' } });
    expect(members.body.chunk).toMatchObject([
      { state_key: bob.userId, content: { membership: 'leave', reason: 'why' }, room_id: room },
    ]);
  });

  it('takes null for a reason that is not given', async () => {
    await bob.join(room);
    const target = { user_id: bob.userId, reason: null };
    expect(await answer(alice.request('POST', `${path}/kick`, { body: target }))).toEqual({});
    const state = await alice.request('GET', `${path}/state/m.room.member/${encodeURIComponent(bob.userId)}`);
    expect(state.body).toEqual({ membership: 'leave' });
    await bob.join(room);
    expect(await answer(bob.request('POST', `${path}/leave`, { body: { reason: null } }))).toEqual({});
  });

  it.each([
    ['POST', '/join/nonsense', undefined, '400 M_INVALID_PARAM'],
    ['POST', '/join/%23nowhere%3Atest.example', undefined, '404 M_NOT_FOUND'],
    ['POST', '/join/!nowhere%3Atest.example', undefined, '404 M_NOT_FOUND'],
    ['POST', '/rooms/nonsense/join', undefined, '400 M_INVALID_PARAM'],
    ['POST', '/rooms/!nowhere%3Atest.example/leave', undefined, '403 M_FORBIDDEN'],
    ['POST', '/rooms/!nowhere%3Atest.example/invite', { user_id: '@a:test.example' }, '403 M_FORBIDDEN'],
    ['POST', '/rooms/!nowhere%3Atest.example/invite', {}, '400 M_MISSING_PARAM'],
    ['POST', '/rooms/!nowhere%3Atest.example/invite', { address: 'a@b', medium: 'email' }, '403 M_FORBIDDEN'],
    ['POST', '/rooms/!nowhere%3Atest.example/kick', { user_id: 5 }, '400 M_BAD_JSON'],
    ['GET', '/rooms/!nowhere%3Atest.example/members', undefined, '403 M_FORBIDDEN'],
    ['GET', '/rooms/!nowhere%3Atest.example/members?membership=x', undefined, '400 M_INVALID_PARAM'],
    ['GET', '/rooms/!nowhere%3Atest.example/members?at=x', undefined, '400 M_INVALID_PARAM'],
    ['GET', '/rooms/!nowhere%3Atest.example/joined_members', undefined, '403 M_FORBIDDEN'],
    ['GET', '/rooms/!nowhere%3Atest.example/aliases', undefined, '403 M_FORBIDDEN'],
    ['POST', '/rooms/!nowhere%3Atest.example/upgrade', { new_version: '11' }, '404 M_UNRECOGNIZED'],
    ['DELETE', '/rooms/!nowhere%3Atest.example/join', undefined, '405 M_UNRECOGNIZED'],
  ])('%s %s %j', async (method, target, body, expected) => {
    expect(await answer(alice.request(method, target, body === undefined ? {} : { body }))).toBe(expected);
  });

  it('needs a token', async () => {
    expect(await answer(server.request('POST', `${path}/join`))).toBe('401 M_MISSING_TOKEN');
  });
});

describe('state', () => {
  it('is written and read with and without a trailing key', async () => {
    const name = { name: 'Kitchen' };
    const first = await alice.request('PUT', `${path}/state/m.room.name`, { body: name });
    expect(first.body).toEqual({ event_id: expect.stringMatching(/^\$/) });
    for (const suffix of ['', '/']) {
      expect(await answer(alice.request('GET', `${path}/state/m.room.name${suffix}`))).toEqual(name);
    }
    await alice.request('PUT', `${path}/state/m.room.name/`, { body: { name: 'Hall' } });
    const event = await alice.request('GET', `${path}/state/m.room.name`, { query: { format: 'event' } });
    expect(event.body).toMatchObject({ content: { name: 'Hall' }, state_key: '', unsigned: { prev_content: name } });
    await alice.request('PUT', `${path}/state/x.y/a%2Fb`, { body: { k: 1 } });
    expect(await answer(alice.request('GET', `${path}/state/x.y/a%2Fb`))).toEqual({ k: 1 });
    const all = await alice.request('GET', `${path}/state`);
    expect(all.body.map((each: { type: string }) => each.type)).toEqual(
      expect.arrayContaining(['m.room.create', 'm.room.name', 'x.y']),
    );
  });

  it('has nothing for strangers, and 404 for what is not there', async () => {
    expect(await answer(alice.request('GET', `${path}/state/m.room.topic`))).toBe('404 M_NOT_FOUND');
    expect(await answer(alice.request('GET', `${path}/state/m.room.topic?format=x`))).toBe('400 M_INVALID_PARAM');
    expect(await answer(bob.request('GET', `${path}/state/m.room.create`))).toBe('403 M_FORBIDDEN');
    expect(await answer(bob.request('GET', `${path}/state`))).toBe('403 M_FORBIDDEN');
    expect(await answer(bob.request('PUT', `${path}/state/m.room.name`, { body: {} }))).toBe('403 M_FORBIDDEN');
    expect(await answer(alice.request('PUT', `${path}/state/m.room.name`, { body: [] }))).toBe('400 M_BAD_JSON');
    expect(await answer(alice.request('PUT', `${path}/state/m.room.name`))).toBe('400 M_NOT_JSON');
  });
});

describe('messages', () => {
  it('are sent once per transaction, also over a restart, read back, and stripped', async () => {
    const content = { msgtype: 'm.text', body: 'hi' };
    const { body } = await send(alice, content, 'same');
    expect(await answer(send(alice, content, 'same'))).toEqual(body);
    await server.restart();
    expect(await answer(send(alice, content, 'same'))).toEqual(body);
    const id = encodeURIComponent(body.event_id);
    const mine = await alice.request('GET', `${path}/event/${id}`);
    expect(mine.body).toMatchObject({
      content,
      sender: alice.userId,
      room_id: room,
      unsigned: { transaction_id: 'same' },
    });
    const laptop = await server.login('alice');
    expect((await laptop.request('GET', `${path}/event/${id}`)).body.unsigned).not.toHaveProperty('transaction_id');
    const redacted = await alice.request('PUT', `${path}/redact/${id}/r1`, { body: { reason: 'typo' } });
    expect(await answer(alice.request('PUT', `${path}/redact/${id}/r1`))).toEqual(redacted.body);
    const after = await alice.request('GET', `${path}/event/${id}`);
    expect(after.body.content).toEqual({});
    expect(after.body.unsigned.redacted_because.event_id).toBe(redacted.body.event_id);
  });

  it('come in pages, in both directions, with a filter', async () => {
    for (let i = 1; i <= 5; i += 1) await send(alice, { msgtype: 'm.text', body: String(i) });
    const page = await alice.request('GET', `${path}/messages`, { query: { dir: 'b', limit: 2 } });
    expect(page.body.chunk.map((each: { content: { body: string } }) => each.content.body)).toEqual(['5', '4']);
    const query = { dir: 'b', from: page.body.end, filter: JSON.stringify({ types: ['m.room.message'] }) };
    const rest = await alice.request('GET', `${path}/messages`, { query });
    expect(rest.body.chunk).toHaveLength(3);
    expect(rest.body).not.toHaveProperty('end');
    const forwards = await alice.request('GET', `${path}/messages`, { query: { dir: 'f', from: page.body.end } });
    expect(forwards.body.chunk).toHaveLength(2);
  });

  it.each([
    ['no direction', '', '400 M_MISSING_PARAM'],
    ['a wrong direction', '?dir=x', '400 M_INVALID_PARAM'],
    ['a wrong token', '?dir=b&from=x', '400 M_INVALID_PARAM'],
    ['a wrong limit', '?dir=b&limit=-1', '400 M_INVALID_PARAM'],
    ['a limit that is no number', '?dir=b&limit=many', '400 M_INVALID_PARAM'],
    ['a filter that is no JSON', '?dir=b&filter={', '400 M_NOT_JSON'],
    ['a filter of the wrong shape', '?dir=b&filter={"types":5}', '400 M_BAD_JSON'],
  ])('refuses %s', async (_title, query, expected) => {
    expect(await answer(alice.request('GET', `${path}/messages${query}`))).toBe(expected);
  });

  it('are refused when they are too large, not allowed, or no objects', async () => {
    expect(await answer(send(alice, { body: 'x'.repeat(65_536) }))).toBe('413 M_TOO_LARGE');
    expect(await answer(send(bob, { body: 'x' }))).toBe('403 M_FORBIDDEN');
    expect(await answer(send(alice, []))).toBe('400 M_BAD_JSON');
    expect(await answer(send(alice, '{'))).toBe('400 M_NOT_JSON');
    expect(await answer(send(alice, { n: 1.5 }))).toBe('400 M_BAD_JSON');
    expect(await answer(bob.request('GET', `${path}/messages?dir=b`))).toBe('403 M_FORBIDDEN');
    expect(await answer(alice.request('GET', `${path}/event/$none`))).toBe('404 M_NOT_FOUND');
    expect(await answer(alice.request('PUT', `${path}/redact/$none/t`))).toBe('404 M_NOT_FOUND');
  });

  it('reach a waiting sync of every member, and of no one else', async () => {
    await bob.join(room);
    const { next_batch: since } = await bob.sync();
    const waiting = bob.sync({ since, timeout: 20_000 });
    await send(alice, { msgtype: 'm.text', body: 'wake up' });
    const { rooms } = await waiting;
    expect(rooms.join[room].timeline.events).toMatchObject([{ content: { body: 'wake up' } }]);
  });
});

describe('profiles', () => {
  it('a new name is shown in every room', async () => {
    await alice.request('PUT', `/profile/${encodeURIComponent(alice.userId)}/displayname`, {
      body: { displayname: 'Alice A.' },
    });
    const member = `${path}/state/m.room.member/${encodeURIComponent(alice.userId)}`;
    expect(await answer(alice.request('GET', member))).toMatchObject({ membership: 'join', displayname: 'Alice A.' });
  });
});

describe('receipts, markers, typing, tags', () => {
  let eventId: string;
  beforeEach(async () => {
    await bob.join(room);
    eventId = (await send(alice, { msgtype: 'm.text', body: 'hi' })).body.event_id;
  });

  it('a receipt reaches the others, a marker oneself', async () => {
    const { next_batch: since } = await alice.sync();
    const { next_batch: sinceBob } = await bob.sync();
    const at = encodeURIComponent(eventId);
    expect(await answer(bob.request('POST', `${path}/receipt/m.read/${at}`, { body: {} }))).toEqual({});
    expect(await answer(bob.request('POST', `${path}/receipt/m.read/${at}`))).toEqual({});
    const body = { 'm.fully_read': eventId, 'm.read.private': eventId };
    expect(await answer(bob.request('POST', `${path}/read_markers`, { body }))).toEqual({});
    const { rooms } = await alice.sync({ since });
    expect(rooms.join[room].ephemeral.events).toEqual([
      { type: 'm.receipt', content: { [eventId]: { 'm.read': { [bob.userId]: { ts: expect.any(Number) } } } } },
    ]);
    const own = (await bob.sync({ since: sinceBob })).rooms.join[room];
    expect(own.account_data.events).toEqual([{ type: 'm.fully_read', content: { event_id: eventId } }]);
    expect(own.ephemeral.events[0].content[eventId]).toHaveProperty('m.read.private');
  });

  it('typing wakes the others', async () => {
    const { next_batch: since } = await alice.sync();
    const waiting = alice.sync({ since, timeout: 20_000 });
    const typing = `${path}/typing/${encodeURIComponent(bob.userId)}`;
    expect(await answer(bob.request('PUT', typing, { body: { typing: true, timeout: 20_000 } }))).toEqual({});
    const started = await waiting;
    const typed = { type: 'm.typing', content: { user_ids: [bob.userId] } };
    expect(started.rooms.join[room].ephemeral.events).toEqual([typed]);
    await bob.request('PUT', typing, { body: { typing: false } });
    const stopped = await alice.sync({ since: started.next_batch, timeout: 20_000 });
    expect(stopped.rooms.join[room].ephemeral.events).toEqual([{ type: 'm.typing', content: { user_ids: [] } }]);
  });

  it('tags are kept one by one, and shown by the sync', async () => {
    const tags = `/user/${encodeURIComponent(bob.userId)}${path}/tags`;
    await Promise.all(
      ['m.favourite', 'u.work'].map((tag) => bob.request('PUT', `${tags}/${tag}`, { body: { order: 0.5 } })),
    );
    const both = { tags: { 'm.favourite': { order: 0.5 }, 'u.work': { order: 0.5 } } };
    expect(await answer(bob.request('GET', tags))).toEqual(both);
    const { rooms } = await bob.sync();
    expect(rooms.join[room].account_data.events).toContainEqual({ type: 'm.tag', content: both });
    expect(await answer(bob.request('DELETE', `${tags}/u.work`))).toEqual({});
    expect(await answer(bob.request('GET', tags))).toEqual({ tags: { 'm.favourite': { order: 0.5 } } });
    expect(await answer(alice.request('GET', tags))).toBe('403 M_FORBIDDEN');
    expect(await answer(bob.request('PUT', `${tags}/u.x`, { body: { order: 'first' } }))).toBe('400 M_BAD_JSON');
  });

  it('wrong ones are refused', async () => {
    const at = encodeURIComponent(eventId);
    const ask = (method: string, target: string, body: unknown): Promise<unknown> =>
      answer(alice.request(method, `${path}${target}`, { body }));
    expect(await ask('POST', `/receipt/m.unknown/${at}`, {})).toBe('400 M_INVALID_PARAM');
    expect(await ask('POST', `/receipt/m.read/${at}`, { thread_id: 5 })).toBe('400 M_BAD_JSON');
    expect(await ask('POST', `/receipt/m.read/${at}`, { thread_id: '' })).toBe('400 M_INVALID_PARAM');
    expect(await ask('POST', `/receipt/m.fully_read/${at}`, { thread_id: 'main' })).toBe('400 M_INVALID_PARAM');
    expect(await ask('POST', '/receipt/m.read/$none', {})).toBe('404 M_NOT_FOUND');
    expect(await ask('POST', '/read_markers', { 'm.read': 5 })).toBe('400 M_INVALID_PARAM');
    expect(await ask('PUT', `/typing/${encodeURIComponent(bob.userId)}`, { typing: true })).toBe('403 M_FORBIDDEN');
    const own = `/typing/${encodeURIComponent(alice.userId)}`;
    expect(await ask('PUT', own, {})).toBe('400 M_MISSING_PARAM');
    expect(await ask('PUT', own, { typing: 'yes' })).toBe('400 M_BAD_JSON');
    expect(await ask('PUT', own, { typing: true, timeout: -1 })).toBe('400 M_INVALID_PARAM');
  });
});

describe('finding rooms', () => {
  it('lists public rooms, searched or not, to anybody', async () => {
    const created = await alice.createRoom({ visibility: 'public', name: `Needle ${Date.now()}` });
    const list = await server.request('GET', '/publicRooms', { query: { limit: 500 } });
    expect(list.body.chunk.map((each: { room_id: string }) => each.room_id)).toContain(created);
    const body = { filter: { generic_search_term: 'needle' } };
    const found = await bob.request('POST', '/publicRooms', { body });
    expect(found.body.chunk).toEqual([expect.objectContaining({ room_id: created, num_joined_members: 1 })]);
    const listing = `/directory/list/room/${encodeURIComponent(created)}`;
    expect(await answer(alice.request('PUT', listing, { body: { visibility: 'private' } }))).toEqual({});
    expect(await answer(server.request('GET', listing))).toEqual({ visibility: 'private' });
    expect(await answer(bob.request('PUT', listing, { body: {} }))).toBe('403 M_FORBIDDEN');
    expect(await answer(server.request('GET', '/publicRooms?server=elsewhere.example'))).toBe('403 M_FORBIDDEN');
  });

  it('resolves aliases for anybody, and refuses foreign and strange ones', async () => {
    const alias = encodeURIComponent(`#b${Date.now()}:${server.serverName}`);
    await alice.request('PUT', `/directory/room/${alias}`, { body: { room_id: room } });
    expect(await answer(server.request('GET', `/directory/room/${alias}`))).toEqual({
      room_id: room,
      servers: [server.serverName],
    });
    expect(await answer(alice.request('PUT', `/directory/room/${alias}`, { body: { room_id: room } }))).toBe(
      '409 M_UNKNOWN',
    );
    expect(await answer(bob.request('DELETE', `/directory/room/${alias}`))).toBe('403 M_FORBIDDEN');
    expect(await answer(alice.request('DELETE', `/directory/room/${alias}`))).toEqual({});
    expect(await answer(alice.request('GET', `/directory/room/${alias}`))).toBe('404 M_NOT_FOUND');
    expect(await answer(alice.request('PUT', '/directory/room/%23a%3Aelsewhere', { body: { room_id: room } }))).toBe(
      '400 M_INVALID_PARAM',
    );
    expect(await answer(alice.request('PUT', `/directory/room/${alias}`, { body: {} }))).toBe('400 M_MISSING_PARAM');
  });
});
