import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MessagesRequest, MessagesResponse } from '../../src/homeserver/rooms/timeline.ts';
import { parseFilter, type StateFilter } from '../../src/homeserver/sync/filter.ts';
import type { RoomId, UserId } from '../../src/matrix/identifiers.ts';
import { ALICE, BOB, CAROL, createRoomsFixture, outcome, type RoomsFixture } from '../support/rooms-fixture.ts';

let fixture: RoomsFixture;
let room: RoomId;
beforeEach(async () => {
  fixture = createRoomsFixture();
  room = await fixture.rooms.createRoom(ALICE, { preset: 'public_chat' });
});
afterEach(() => fixture[Symbol.dispose]());

const filterOf = (timeline: unknown): StateFilter => parseFilter({ room: { timeline } }).room.timeline;
const messages = (request: Partial<MessagesRequest> = {}, userId: UserId = ALICE): Promise<MessagesResponse> =>
  fixture.rooms.timeline.messages({ userId, deviceId: 'D' }, room, {
    dir: 'b',
    from: null,
    to: null,
    limit: 10,
    filter: filterOf({}),
    ...request,
  });
const bodies = (page: MessagesResponse): unknown[] => page.chunk.map((event) => event.content['body'] ?? event.type);
async function say(count: number, from = 1): Promise<void> {
  for (let i = from; i < from + count; i += 1) await fixture.say(ALICE, room, String(i));
}

describe('messages', () => {
  it('reads backwards page by page to the beginning of the room, where `end` is absent', async () => {
    await say(25);
    const seen: unknown[] = [];
    let from: string | null = null;
    let pages = 0;
    for (;;) {
      const page: MessagesResponse = await messages({ from, limit: 7 });
      seen.push(...bodies(page));
      pages += 1;
      expect(page.chunk.length).toBeLessThanOrEqual(7);
      if (page.end === undefined) break;
      from = page.end;
    }
    expect(pages).toBe(5);
    expect(seen).toEqual([
      ...Array.from({ length: 25 }, (_, i) => String(25 - i)),
      'm.room.guest_access',
      'm.room.history_visibility',
      'm.room.join_rules',
      'm.room.power_levels',
      'm.room.member',
      'm.room.create',
    ]);
  });

  it('reads forwards from a token to the present', async () => {
    await say(5);
    const { next } = await fixture.sync(ALICE);
    await say(5, 6);
    const first = await messages({ dir: 'f', from: `s${next.position}_7_${next.typing}`, limit: 3 });
    expect(bodies(first)).toEqual(['6', '7', '8']);
    const second = await messages({ dir: 'f', from: first.end ?? '', limit: 3 });
    expect(bodies(second)).toEqual(['9', '10']);
    expect(second.end).toBeUndefined();
    expect(bodies(await messages({ dir: 'f', limit: 2 }))).toEqual(['m.room.create', 'm.room.member']);
  });

  it('ends exactly at the end: a full last page has no `end`', async () => {
    await say(4);
    expect((await messages({ limit: 10 })).end).toBeUndefined();
    expect((await messages({ limit: 9 })).end).toBeDefined();
  });

  it('stops at `to` in both directions', async () => {
    await say(10);
    const middle = (await messages({ limit: 5 })).end ?? '';
    expect(bodies(await messages({ to: middle, limit: 50 }))).toEqual(['10', '9', '8', '7', '6']);
    expect(bodies(await messages({ dir: 'f', to: middle, limit: 50 })).slice(-2)).toEqual(['4', '5']);
  });

  it('has the tokens of both ends, so that going back and forth gives the same events', async () => {
    await say(10);
    const page = await messages({ limit: 4 });
    const back = await messages({ dir: 'f', from: page.end ?? '', to: page.start, limit: 50 });
    expect(bodies(back)).toEqual(bodies(page).toReversed());
  });

  it('filters by type and sender, and goes on past what is filtered', async () => {
    await fixture.rooms.memberships.join(BOB, room);
    await say(600);
    await fixture.say(BOB, room, 'from bob');
    await say(600, 601);
    expect(bodies(await messages({ filter: filterOf({ senders: [BOB] }), limit: 1 }))).toEqual(['from bob']);
    const topics = await messages({ filter: filterOf({ types: ['m.room.cr*'] }) });
    expect(bodies(topics)).toEqual(['m.room.create']);
    expect(topics.end).toBeUndefined();
    expect((await messages({ filter: filterOf({ types: [] }) })).chunk).toEqual([]);
  });

  it('loses nothing where a page is read in many bites', async () => {
    await fixture.rooms.memberships.join(BOB, room);
    const marks: string[] = [];
    for (let i = 1; i <= 1_020; i += 1) {
      await fixture.say(i % 20 === 0 || i > 1_000 ? BOB : ALICE, room, String(i));
      if (i % 20 === 0 || i > 1_000) marks.push(String(i));
    }
    const request = { filter: filterOf({ senders: [BOB], types: ['m.room.message'] }), limit: 1_000 };
    expect(bodies(await messages({ ...request, dir: 'f' }))).toEqual(marks);
    expect(bodies(await messages(request))).toEqual(marks.toReversed());
    // Every place where a bite may end.
    for (let offset = 0; offset < 40; offset += 1) {
      const from = `t${(await fixture.store.currentPosition()) - offset}`;
      const expected = marks.toReversed().filter((mark) => Number(mark) <= 1_020 - offset);
      expect(bodies(await messages({ ...request, from }))).toEqual(expected);
      const start = `t${(await fixture.store.currentPosition()) - 1_020 + offset}`;
      const following = marks.filter((mark) => Number(mark) > offset);
      expect(bodies(await messages({ ...request, dir: 'f', from: start }))).toEqual(following);
    }
  });

  it('adds the senders when members are loaded lazily', async () => {
    await fixture.rooms.memberships.join(BOB, room);
    await fixture.say(BOB, room, 'hi');
    const page = await messages({ limit: 1, filter: filterOf({ lazy_load_members: true }) });
    expect(page.state?.map((event) => event.state_key)).toEqual([BOB]);
    expect((await messages({ limit: 1 })).state).toBeUndefined();
  });

  it('takes a limit of 0, and caps a large one', async () => {
    await say(1_100);
    expect(await messages({ limit: 0 })).toMatchObject({ chunk: [] });
    expect((await messages({ limit: 1_000_000 })).chunk).toHaveLength(1_000);
  });

  it.each(['nonsense', 't', 's1', '-1', 't99999999999999999999'])('refuses the token %s', async (from) => {
    expect(await outcome(messages({ from }))).toBe('400 M_INVALID_PARAM');
    expect(await outcome(messages({ to: from }))).toBe('400 M_INVALID_PARAM');
  });

  it('clamps a token from the future', async () => {
    await say(1);
    expect(bodies(await messages({ from: 't999999', limit: 1 }))).toEqual(['1']);
  });
});

describe('who may read', () => {
  const hide = (value: string): Promise<unknown> =>
    fixture.setState(ALICE, room, 'm.room.history_visibility', { history_visibility: value });

  it('members read what was said before them if it is shared, and not if it is not', async () => {
    await say(1);
    await hide('joined');
    await say(1, 2);
    await fixture.rooms.memberships.join(BOB, room);
    await say(1, 3);
    expect(bodies(await messages({ limit: 99 }, BOB))).toEqual(expect.arrayContaining(['1', '3']));
    expect(bodies(await messages({ limit: 99 }, BOB))).not.toContain('2');
    const hidden = (await messages({ limit: 99 })).chunk.find((event) => event.content['body'] === '2');
    const reader = { userId: BOB, deviceId: 'D' };
    expect(await outcome(fixture.rooms.timeline.event(reader, room, hidden?.event_id ?? '$'))).toBe('404 M_NOT_FOUND');
  });

  it('somebody who left reads up to then', async () => {
    await fixture.rooms.memberships.join(BOB, room);
    await say(1);
    await fixture.rooms.memberships.leave(BOB, room);
    await say(1, 2);
    await fixture.setState(ALICE, room, 'm.room.name', { name: 'later' });
    expect(bodies(await messages({ limit: 2 }, BOB))).toEqual(['m.room.member', '1']);
    const reader = { userId: BOB, deviceId: 'D' };
    const names = (await fixture.rooms.reader.state(reader, room)).map((event) => event.type);
    expect(names).not.toContain('m.room.name');
    expect(await outcome(fixture.rooms.reader.stateEvent(reader, room, ['m.room.name', '']))).toBe('404 M_NOT_FOUND');
    expect(await outcome(fixture.rooms.reader.joinedMembers(BOB, room))).toBe('403 M_FORBIDDEN');
  });

  it('the invited, the strangers and those who ask for no room get nothing', async () => {
    await fixture.rooms.memberships.invite(ALICE, room, BOB);
    const reader = { userId: BOB, deviceId: 'D' };
    for (const userId of [BOB, CAROL]) {
      expect(await outcome(messages({}, userId))).toBe('403 M_FORBIDDEN');
      expect(await outcome(fixture.rooms.reader.state({ ...reader, userId }, room))).toBe('403 M_FORBIDDEN');
      const members = { at: null, membership: null, notMembership: null };
      expect(await outcome(fixture.rooms.reader.members({ ...reader, userId }, room, members))).toBe('403 M_FORBIDDEN');
    }
    expect(await outcome(fixture.rooms.reader.state(reader, '!nowhere:test'))).toBe('403 M_FORBIDDEN');
    await fixture.rooms.memberships.leave(BOB, room);
    expect(await outcome(messages({}, BOB))).toBe('403 M_FORBIDDEN');
    expect(await outcome(fixture.rooms.reader.state(reader, room))).toBe('403 M_FORBIDDEN');
  });

  it('everybody reads what is world-readable', async () => {
    await say(1);
    await hide('world_readable');
    await say(1, 2);
    expect(bodies(await messages({}, CAROL))).toEqual(['2', 'm.room.history_visibility']);
    expect(await fixture.rooms.reader.state({ userId: CAROL, deviceId: 'D' }, room)).not.toEqual([]);
    await hide('shared');
    await say(1, 3);
    expect(bodies(await messages({}, CAROL))).toEqual(['m.room.history_visibility', '2', 'm.room.history_visibility']);
  });
});

describe('members', () => {
  it('can be chosen by membership and by moment', async () => {
    await fixture.rooms.memberships.join(BOB, room);
    const { next } = await fixture.sync(ALICE);
    await fixture.rooms.memberships.leave(BOB, room);
    await fixture.rooms.memberships.invite(ALICE, room, CAROL);
    const list = async (query: { membership?: string; notMembership?: string; at?: number }): Promise<unknown[]> => {
      const full = { at: null, membership: null, notMembership: null, ...query };
      const members = await fixture.rooms.reader.members({ userId: ALICE, deviceId: 'D' }, room, full);
      return members.map((event) => [event.state_key, event.content['membership']]);
    };
    expect(await list({})).toEqual([
      [ALICE, 'join'],
      [BOB, 'leave'],
      [CAROL, 'invite'],
    ]);
    expect(await list({ membership: 'join' })).toEqual([[ALICE, 'join']]);
    expect(await list({ notMembership: 'leave' })).toEqual([
      [ALICE, 'join'],
      [CAROL, 'invite'],
    ]);
    expect(await list({ at: next.position })).toEqual([
      [ALICE, 'join'],
      [BOB, 'join'],
    ]);
  });
});
