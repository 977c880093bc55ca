import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ClientEvent } from '../../src/homeserver/rooms/client-event.ts';
import { PortError } from '../../src/ports/errors.ts';
import type { EventId, RoomId, UserId } from '../../src/matrix/identifiers.ts';
import { ALICE, BOB, createRoomsFixture, outcome, type RoomsFixture } from '../support/rooms-fixture.ts';

let fixture: RoomsFixture;
let room: RoomId;
beforeEach(async () => {
  fixture = createRoomsFixture();
  room = await fixture.rooms.createRoom(ALICE, { preset: 'public_chat', room_version: '11' });
  await fixture.rooms.memberships.join(BOB, room);
});
afterEach(() => fixture[Symbol.dispose]());

const read = (eventId: EventId, userId: UserId = ALICE, deviceId = 'D'): Promise<ClientEvent> =>
  fixture.rooms.timeline.event({ userId, deviceId }, room, eventId);
const send = (sender: UserId, type: string, content: Record<string, unknown>): Promise<EventId> =>
  fixture.rooms.events.send(sender, room, {
    type,
    content,
    transaction: { deviceId: 'D', txnId: Math.random().toString() },
  });

describe('send', () => {
  it('makes an event with its time, its age, and an id of its own', async () => {
    const first = await fixture.say(ALICE, room, 'hi');
    const second = await fixture.say(ALICE, room, 'hi');
    expect(second).not.toBe(first);
    const sentAt = fixture.clock.now();
    await fixture.clock.advance(1_500);
    expect(await read(first, BOB)).toEqual({
      type: 'm.room.message',
      room_id: room,
      sender: ALICE,
      content: { msgtype: 'm.text', body: 'hi' },
      event_id: first,
      origin_server_ts: sentAt,
      unsigned: { age: 1_500 },
    });
  });

  it('tells everybody in the room, after it is durable', async () => {
    const id = await fixture.say(ALICE, room, 'hi');
    const stored = await fixture.store.findEvent(room, id);
    expect(fixture.notified.at(-1)).toEqual({ users: [ALICE, BOB], position: stored?.position });
  });

  it('gives the same event for the same transaction, also after a restart', async () => {
    const id = await fixture.say(ALICE, room, 'hi', { txnId: 'same' });
    const position = await fixture.store.currentPosition();
    expect(await fixture.say(ALICE, room, 'something else', { txnId: 'same' })).toBe(id);
    fixture = fixture.reopen();
    expect(await fixture.say(ALICE, room, 'hi', { txnId: 'same' })).toBe(id);
    expect(await fixture.store.currentPosition()).toBe(position);
  });

  it('gives one event for a transaction that arrives many times at once', async () => {
    const ids = await Promise.all(Array.from({ length: 20 }, () => fixture.say(ALICE, room, 'hi', { txnId: 'same' })));
    expect(new Set(ids).size).toBe(1);
  });

  it('keeps transactions of devices, rooms, types and users apart', async () => {
    const transaction = { deviceId: 'D', txnId: 'same' };
    const other = await fixture.rooms.createRoom(ALICE, {});
    const ids = [
      await fixture.say(ALICE, room, 'hi', transaction),
      await fixture.say(ALICE, room, 'hi', { ...transaction, deviceId: 'E' }),
      await fixture.say(ALICE, other, 'hi', transaction),
      await fixture.say(BOB, room, 'hi', transaction),
      await fixture.rooms.events.send(ALICE, room, { type: 'other', content: {}, transaction }),
    ];
    expect(new Set(ids).size).toBe(5);
  });

  it('shows the transaction to the device that sent it and to nobody else', async () => {
    const id = await fixture.say(ALICE, room, 'hi', { txnId: 'mine', deviceId: 'PHONE' });
    expect((await read(id, ALICE, 'PHONE')).unsigned.transaction_id).toBe('mine');
    expect((await read(id, ALICE, 'LAPTOP')).unsigned).not.toHaveProperty('transaction_id');
    expect((await read(id, BOB, 'PHONE')).unsigned).not.toHaveProperty('transaction_id');
  });

  it('answers a repeated request of somebody who was removed since, and refuses a new one', async () => {
    const id = await fixture.say(BOB, room, 'hi', { txnId: 'same' });
    await fixture.rooms.memberships.kick(ALICE, room, BOB);
    expect(await fixture.say(BOB, room, 'hi', { txnId: 'same' })).toBe(id);
    expect(await outcome(fixture.say(BOB, room, 'hi', { txnId: 'new' }))).toBe('403 M_FORBIDDEN');
  });

  it.each<[string, string, string, Record<string, unknown>]>([
    ['an event of more than 65,536 bytes', '413 M_TOO_LARGE', 'm.room.message', { body: 'x'.repeat(65_536) }],
    ['one that is too large in bytes only', '413 M_TOO_LARGE', 'm.room.message', { body: '日'.repeat(22_000) }],
    ['a type of more than 255 bytes', '413 M_TOO_LARGE', 'x'.repeat(256), {}],
    ['a type that is empty', '400 M_INVALID_PARAM', '', {}],
    ['a type with a NUL', '400 M_INVALID_PARAM', 'a\0b', {}],
    ['a fraction', '400 M_BAD_JSON', 'x', { n: 0.5 }],
    ['half a character', '400 M_BAD_JSON', 'x', { s: '\ud800' }],
    ['a redaction of nothing', '400 M_MISSING_PARAM', 'm.room.redaction', {}],
  ])('refuses %s', async (_title, expected, type, content) => {
    expect(await outcome(send(ALICE, type, content))).toBe(expected);
  });

  it('takes what is just small enough', async () => {
    await send(ALICE, 'm.room.message', { body: 'x'.repeat(64_000) });
    await send(ALICE, 'x'.repeat(255), {});
  });

  it('answers alike for a room that is not there and one that is not ours', async () => {
    const closed = await fixture.rooms.createRoom(BOB, {});
    for (const target of ['!nowhere:test', closed] as const) {
      expect(await outcome(fixture.say(ALICE, target, 'hi'))).toBe('403 M_FORBIDDEN');
      expect(await outcome(fixture.setState(ALICE, target, 'm.room.name', { name: 'x' }))).toBe('403 M_FORBIDDEN');
      expect(await outcome(fixture.redact(ALICE, target, '$x'))).toBe('403 M_FORBIDDEN');
    }
  });

  it('tells nobody of what could not be written, and goes on when it can', async () => {
    const told = fixture.notified.length;
    const full = new PortError('database', 'run', true, 'the disk is full');
    vi.spyOn(fixture.store, 'appendEvents').mockRejectedValueOnce(full);
    await expect(fixture.say(ALICE, room, 'lost', { txnId: 'same' })).rejects.toThrow('the disk is full');
    expect(fixture.notified).toHaveLength(told);
    const id = await fixture.say(ALICE, room, 'found', { txnId: 'same' });
    expect((await read(id)).content['body']).toBe('found');
    expect(fixture.notified.at(-1)?.users).toEqual([ALICE, BOB]);
  });

  it('keeps the order of many who write at once', async () => {
    const sent = await Promise.all(
      Array.from({ length: 50 }, (_, i) => fixture.say(i % 2 === 0 ? ALICE : BOB, room, `${i}`)),
    );
    const events = await fixture.store.listEvents(room, { after: 0, upTo: 999, direction: 'forward', limit: 999 });
    expect(events.map((event) => event.eventId).slice(-50)).toEqual(sent);
  });
});

describe('sendState', () => {
  it('says what it took the place of', async () => {
    const first = await fixture.setState(ALICE, room, 'm.room.name', { name: 'one' });
    const second = await fixture.setState(ALICE, room, 'm.room.name', { name: 'two' });
    const event = await read(second);
    expect(event).toMatchObject({ state_key: '', content: { name: 'two' } });
    expect(event.unsigned).toEqual({
      age: 0,
      prev_content: { name: 'one' },
      prev_sender: ALICE,
      replaces_state: first,
    });
  });

  it('changes nothing when nothing changes, and gives the same id', async () => {
    const first = await fixture.setState(ALICE, room, 'x', { a: 1, b: [2] });
    expect(await fixture.setState(ALICE, room, 'x', { b: [2], a: 1 })).toBe(first);
    const second = await fixture.setState(ALICE, room, 'x', { a: 2 });
    expect(await fixture.setState(ALICE, room, 'x', { a: 1, b: [2] })).not.toBe(first);
    expect(second).not.toBe(first);
  });

  it('follows the same rules for members as their endpoints', async () => {
    const member = (sender: UserId, target: string, membership: string): Promise<unknown> =>
      outcome(fixture.setState(sender, room, 'm.room.member', { membership }, target));
    expect(await member(ALICE, '@x:elsewhere', 'invite')).toBe('403 M_FORBIDDEN');
    expect(await member(ALICE, 'nobody', 'invite')).toBe('400 M_INVALID_PARAM');
    expect(await member(BOB, ALICE, 'leave')).toBe('403 M_FORBIDDEN');
    expect(await member(BOB, BOB, 'away')).toBe('400 M_BAD_JSON');
    expect(await member('@new:test', '@new:test', 'leave')).toBe('403 M_FORBIDDEN');
    expect(await member('@new:test', '@new:test', 'join')).toMatch(/^\$/);
    expect(await member(ALICE, BOB, 'ban')).toMatch(/^\$/);
    expect((await fixture.store.findMembership(room, BOB))?.membership).toBe('ban');
  });

  it.each<[string, string, Record<string, unknown>]>([
    ['403 M_FORBIDDEN', 'm.room.create', {}],
    ['403 M_FORBIDDEN', 'm.room.redaction', {}],
    ['400 M_BAD_JSON', 'm.room.power_levels', { users: { [ALICE]: '100' } }],
    ['400 M_BAD_ALIAS', 'm.room.canonical_alias', { alias: '#nowhere:test' }],
    ['400 M_INVALID_PARAM', 'm.room.canonical_alias', { alias: 'nowhere' }],
    ['400 M_BAD_ALIAS', 'm.room.canonical_alias', { alt_aliases: ['#nowhere:test'] }],
  ])('answers %s to %s %j', async (expected, type, content) => {
    expect(await outcome(fixture.setState(ALICE, room, type, content))).toBe(expected);
  });

  it('takes an alias that leads here', async () => {
    await fixture.rooms.directory.addAlias(ALICE, '#here:test', room);
    expect(await fixture.setState(ALICE, room, 'm.room.canonical_alias', { alias: '#here:test' })).toMatch(/^\$/);
  });

  it('limits the state key', async () => {
    expect(await outcome(fixture.setState(ALICE, room, 'x', {}, 'k'.repeat(256)))).toBe('413 M_TOO_LARGE');
    expect(await outcome(fixture.setState(ALICE, room, 'x', {}, 'a\0b'))).toBe('400 M_INVALID_PARAM');
  });
});

describe('redact', () => {
  it('strips the content, says why, and cannot be undone by reading elsewhere', async () => {
    const id = await fixture.say(BOB, room, 'oops');
    const redaction = await fixture.redact(BOB, room, id, 'typo');
    const event = await read(id);
    expect(event.content).toEqual({});
    expect(event.unsigned.redacted_because).toMatchObject({
      type: 'm.room.redaction',
      event_id: redaction,
      sender: BOB,
      redacts: id,
      content: { redacts: id, reason: 'typo' },
    });
    expect(await read(redaction)).toMatchObject({ redacts: id, content: { redacts: id, reason: 'typo' } });
    const raw = await fixture.store.findEvent(room, id);
    expect(JSON.stringify(raw)).not.toContain('oops');
  });

  it('keeps what the room version keeps', async () => {
    const old = await fixture.rooms.createRoom(ALICE, { preset: 'public_chat', room_version: '10' });
    for (const [roomId, content] of [
      [old, { users: { [ALICE]: 100 } }],
      [room, { users: { [ALICE]: 100 }, invite: 5 }],
    ] as const) {
      const id = await fixture.setState(ALICE, roomId, 'm.room.power_levels', {
        users: { [ALICE]: 100 },
        invite: 5,
        notifications: { room: 5 },
      });
      await fixture.redact(ALICE, roomId, id);
      const [levels] = await fixture.store.readState(
        roomId,
        { kind: 'keys', keys: [['m.room.power_levels', '']] },
        null,
      );
      expect(levels?.content).toEqual(content);
    }
  });

  it('needs power over others, and none over oneself', async () => {
    const mine = await fixture.say(ALICE, room, 'mine');
    const theirs = await fixture.say(BOB, room, 'theirs');
    expect(await outcome(fixture.redact(BOB, room, mine))).toBe('403 M_FORBIDDEN');
    expect(await fixture.redact(BOB, room, theirs)).toMatch(/^\$/);
    const again = await fixture.say(BOB, room, 'again');
    expect(await fixture.redact(ALICE, room, again)).toMatch(/^\$/);
  });

  it('knows only events of its room, and never strips the creation', async () => {
    const other = await fixture.rooms.createRoom(ALICE, {});
    const elsewhere = await fixture.say(ALICE, other, 'x');
    expect(await outcome(fixture.redact(ALICE, room, elsewhere))).toBe('404 M_NOT_FOUND');
    expect(await outcome(fixture.redact(ALICE, room, '$none'))).toBe('404 M_NOT_FOUND');
    const [created] = await fixture.store.readState(room, { kind: 'keys', keys: [['m.room.create', '']] }, null);
    expect(await outcome(fixture.redact(ALICE, room, created?.eventId ?? '$'))).toBe('403 M_FORBIDDEN');
  });

  it('works through /send as well, and is idempotent there', async () => {
    const id = await fixture.say(BOB, room, 'oops');
    const redact = (): Promise<EventId> =>
      fixture.rooms.events.send(BOB, room, {
        type: 'm.room.redaction',
        content: { redacts: id },
        transaction: { deviceId: 'D', txnId: 'r' },
      });
    const redaction = await redact();
    expect(await redact()).toBe(redaction);
    expect((await read(id)).content).toEqual({});
  });

  it('takes a profile out of a member event and leaves the member in', async () => {
    fixture.profiles.set(BOB, { displayname: 'rude', avatarUrl: null });
    await fixture.rooms.memberships.profileChanged(BOB);
    const [event] = await fixture.store.readState(room, { kind: 'keys', keys: [['m.room.member', BOB]] }, null);
    await fixture.redact(ALICE, room, event?.eventId ?? '$');
    expect((await fixture.rooms.reader.joinedMembers(ALICE, room))[BOB]).toEqual({});
    await fixture.say(BOB, room, 'still here');
  });
});
