import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RoomId } from '../../src/matrix/identifiers.ts';
import { ALICE, BOB, CAROL, createRoomsFixture, outcome, type RoomsFixture } from '../support/rooms-fixture.ts';

let fixture: RoomsFixture;
let room: RoomId;
beforeEach(async () => {
  fixture = createRoomsFixture();
  room = await fixture.rooms.createRoom(ALICE, { preset: 'public_chat' });
});
afterEach(() => fixture[Symbol.dispose]());

describe('receipts', () => {
  it('need membership and an event of the room', async () => {
    const eventId = await fixture.say(ALICE, room, 'hi');
    const { receipts } = fixture.rooms;
    const read = { type: 'm.read', eventId, threadId: null } as const;
    expect(await outcome(receipts.set(BOB, room, read))).toBe('403 M_FORBIDDEN');
    expect(await outcome(receipts.set(ALICE, '!nowhere:test', read))).toBe('403 M_FORBIDDEN');
    expect(await outcome(receipts.set(ALICE, room, { ...read, eventId: '$none' }))).toBe('404 M_NOT_FOUND');
    expect(await outcome(receipts.set(ALICE, room, { ...read, type: 'm.fully_read', eventId: '$none' }))).toBe(
      '404 M_NOT_FOUND',
    );
    expect(fixture.accountData).toEqual([]);
  });

  it('the fully-read marker is account data of the room', async () => {
    const eventId = await fixture.say(ALICE, room, 'hi');
    await fixture.rooms.receipts.set(ALICE, room, { type: 'm.fully_read', eventId, threadId: null });
    expect(fixture.accountData).toEqual([[ALICE, room, 'm.fully_read', { event_id: eventId }]]);
  });

  it('going back changes nothing and wakes nobody', async () => {
    const first = await fixture.say(ALICE, room, '1');
    const second = await fixture.say(ALICE, room, '2');
    const read = { type: 'm.read', threadId: null } as const;
    await fixture.rooms.receipts.set(ALICE, room, { ...read, eventId: second });
    const told = fixture.notified.length;
    await fixture.rooms.receipts.set(ALICE, room, { ...read, eventId: first });
    expect(fixture.notified).toHaveLength(told);
  });
});

describe('typing', () => {
  it('needs membership, and ends with it', async () => {
    expect(await outcome(fixture.rooms.setTyping(BOB, room, 1_000))).toBe('403 M_FORBIDDEN');
    await fixture.rooms.memberships.join(BOB, room);
    await fixture.rooms.setTyping(BOB, room, 30_000);
    await fixture.clock.settle();
    const told = fixture.typingTold.length;
    await fixture.rooms.memberships.leave(BOB, room);
    await fixture.clock.settle();
    expect(fixture.typingTold).toHaveLength(told + 1);
    expect(fixture.clock.pendingTimers).toBe(0);
  });
});

describe('aliases', () => {
  it('lead to a room until they are taken away', async () => {
    const { directory } = fixture.rooms;
    await directory.addAlias(ALICE, '#a:test', room);
    expect(await directory.resolve('#a:test')).toBe(room);
    expect(await directory.resolve(room)).toBe(room);
    expect(await fixture.rooms.reader.aliases(ALICE, room)).toEqual(['#a:test']);
    expect(await outcome(fixture.rooms.reader.aliases(BOB, room))).toBe('403 M_FORBIDDEN');
    expect(await outcome(directory.addAlias(ALICE, '#a:test', room))).toBe('409 M_UNKNOWN');
    await directory.removeAlias(ALICE, '#a:test');
    expect(await outcome(directory.roomOf('#a:test'))).toBe('404 M_NOT_FOUND');
    expect(await outcome(directory.removeAlias(ALICE, '#a:test'))).toBe('404 M_NOT_FOUND');
  });

  it('are made by members, and taken away by their maker or by moderators', async () => {
    const { directory, memberships } = fixture.rooms;
    expect(await outcome(directory.addAlias(BOB, '#b:test', room))).toBe('403 M_FORBIDDEN');
    await memberships.join(BOB, room);
    await memberships.join(CAROL, room);
    await directory.addAlias(BOB, '#b:test', room);
    expect(await outcome(directory.removeAlias(CAROL, '#b:test'))).toBe('403 M_FORBIDDEN');
    await directory.removeAlias(ALICE, '#b:test');
    await directory.addAlias(BOB, '#b:test', room);
    await directory.removeAlias(BOB, '#b:test');
  });

  it.each<[string, string]>([
    ['#a:elsewhere', '400 M_INVALID_PARAM'],
    ['a:test', '400 M_INVALID_PARAM'],
    ['#:test', '400 M_INVALID_PARAM'],
    ['#a', '400 M_INVALID_PARAM'],
    ['#a:bad server', '400 M_INVALID_PARAM'],
    [`#${'a'.repeat(255)}:test`, '400 M_INVALID_PARAM'],
  ])('refuses %s', async (alias, expected) => {
    expect(await outcome(fixture.rooms.directory.addAlias(ALICE, alias, room))).toBe(expected);
  });

  it('refuses a room that is not there', async () => {
    expect(await outcome(fixture.rooms.directory.addAlias(ALICE, '#a:test', '!nowhere:test'))).toBe('404 M_NOT_FOUND');
  });
});

describe('the public list', () => {
  const list = (searchTerm: string | null = null, limit: number | null = null, since: string | null = null) =>
    fixture.rooms.directory.publicRooms({ limit, since, searchTerm });

  it('has public rooms with what is known of them, in pages', async () => {
    const { createRoom, memberships, directory } = fixture.rooms;
    const big = await createRoom(ALICE, { visibility: 'public', name: 'Big', topic: 'All', room_alias_name: 'big' });
    await memberships.join(BOB, big);
    const small = await createRoom(ALICE, { visibility: 'public' });
    expect((await list()).chunk).toEqual([
      {
        room_id: big,
        num_joined_members: 2,
        world_readable: false,
        guest_can_join: false,
        name: 'Big',
        topic: 'All',
        canonical_alias: '#big:test',
        join_rule: 'public',
      },
      expect.objectContaining({ room_id: small, num_joined_members: 1 }),
    ]);
    const first = await list(null, 1);
    expect(first).toMatchObject({ chunk: [{ room_id: big }], next_batch: 'p1', total_room_count_estimate: 2 });
    const second = await list(null, 1, first.next_batch);
    expect(second).toMatchObject({ chunk: [{ room_id: small }], prev_batch: 'p0' });
    expect(second.next_batch).toBeUndefined();
    expect((await list('BIG')).chunk).toHaveLength(1);
    expect((await list('nothing')).chunk).toHaveLength(0);
    await directory.setVisibility(ALICE, big, 'private');
    expect(await directory.visibility(big)).toBe('private');
    expect((await list()).chunk).toHaveLength(1);
  });

  it('is changed by moderators only, and knows its rooms and tokens', async () => {
    const { directory, memberships } = fixture.rooms;
    await memberships.join(BOB, room);
    expect(await outcome(directory.setVisibility(BOB, room, 'public'))).toBe('403 M_FORBIDDEN');
    expect(await outcome(directory.setVisibility(CAROL, room, 'public'))).toBe('403 M_FORBIDDEN');
    expect(await outcome(directory.visibility('!nowhere:test'))).toBe('404 M_NOT_FOUND');
    expect(await outcome(directory.setVisibility(ALICE, '!nowhere:test', 'public'))).toBe('404 M_NOT_FOUND');
    expect(await outcome(list(null, 1, 'nonsense'))).toBe('400 M_INVALID_PARAM');
  });
});
