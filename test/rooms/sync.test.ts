import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SyncEvent } from '../../src/homeserver/rooms/client-event.ts';
import type { JoinedRoomSync } from '../../src/homeserver/rooms/room-sync.ts';
import type { RoomId, UserId } from '../../src/matrix/identifiers.ts';
import {
  ALICE,
  BOB,
  CAROL,
  createRoomsFixture,
  type RoomsFixture,
  type SyncOptions,
  type SyncToken,
} from '../support/rooms-fixture.ts';

let fixture: RoomsFixture;
let room: RoomId;
beforeEach(async () => {
  fixture = createRoomsFixture();
  room = await fixture.rooms.createRoom(ALICE, { preset: 'public_chat' });
});
afterEach(() => fixture[Symbol.dispose]());

const names = (events: readonly SyncEvent[]): unknown[] => events.map((event) => event.content['body'] ?? event.type);
const now = async (userId: UserId): Promise<SyncToken> => (await fixture.sync(userId)).next;
async function only(userId: UserId, since: SyncToken | null, options?: SyncOptions): Promise<JoinedRoomSync> {
  const { changes } = await fixture.sync(userId, since, options);
  expect(changes.joined.map((each) => each.roomId)).toEqual([room]);
  return changes.joined[0]!;
}
async function say(count: number, from = 1): Promise<void> {
  for (let i = from; i < from + count; i += 1) await fixture.say(ALICE, room, String(i));
}

describe('an initial sync', () => {
  it('has every joined room with its timeline, the state before it, and a summary', async () => {
    await say(12);
    const joined = await only(ALICE, null);
    expect(names(joined.timeline.events)).toEqual(['3', '4', '5', '6', '7', '8', '9', '10', '11', '12']);
    expect(joined.timeline.limited).toBe(true);
    expect(names(joined.state)).toEqual([
      'm.room.create',
      'm.room.member',
      'm.room.power_levels',
      'm.room.join_rules',
      'm.room.history_visibility',
      'm.room.guest_access',
    ]);
    expect(joined.timeline.events[0]).not.toHaveProperty('room_id');
    expect(joined.summary).toEqual({ 'm.heroes': [], 'm.joined_member_count': 1, 'm.invited_member_count': 0 });
    const page = await fixture.rooms.timeline.messages({ userId: ALICE, deviceId: 'D' }, room, {
      dir: 'b',
      from: joined.timeline.prevBatch,
      to: null,
      limit: 3,
      filter: (await import('../../src/homeserver/sync/filter.ts')).DEFAULT_FILTER.room.timeline,
    });
    expect(names(page.chunk)).toEqual(['2', '1', 'm.room.guest_access']);
  });

  it('is not limited where everything fits, and says nothing twice', async () => {
    const joined = await only(ALICE, null);
    expect(joined.timeline.limited).toBe(false);
    expect(names(joined.timeline.events)).toHaveLength(6);
    expect(joined.state).toEqual([]);
  });

  it('lists invites with what the guest may know, and no rooms that were left', async () => {
    await fixture.setState(ALICE, room, 'm.room.name', { name: 'Kitchen' });
    fixture.profiles.set(ALICE, { displayname: 'Alice', avatarUrl: null });
    await fixture.rooms.memberships.profileChanged(ALICE);
    await fixture.rooms.memberships.invite(ALICE, room, BOB);
    await fixture.setState(ALICE, room, 'm.room.name', { name: 'later' });
    const { changes } = await fixture.sync(BOB);
    expect(changes.joined).toEqual([]);
    expect(changes.invited).toHaveLength(1);
    const state = Object.fromEntries(changes.invited[0]!.state.map((e) => [`${e.type}|${e.state_key}`, e.content]));
    expect(state).toEqual({
      'm.room.create|': { room_version: '10', creator: ALICE },
      'm.room.join_rules|': { join_rule: 'public' },
      'm.room.name|': { name: 'Kitchen' },
      [`m.room.member|${ALICE}`]: { membership: 'join', displayname: 'Alice' },
      [`m.room.member|${BOB}`]: { membership: 'invite' },
    });
    expect(Object.keys(changes.invited[0]!.state[0]!).toSorted()).toEqual(['content', 'sender', 'state_key', 'type']);
    await fixture.rooms.memberships.leave(BOB, room);
    expect((await fixture.sync(BOB)).changes).toMatchObject({ invited: [], left: [], joined: [] });
  });

  it('lists what was left where the filter asks, up to the leaving', async () => {
    await fixture.rooms.memberships.join(BOB, room);
    await say(1);
    await fixture.rooms.memberships.kick(ALICE, room, BOB);
    await say(1, 2);
    const { changes } = await fixture.sync(BOB, null, { filter: { include_leave: true } });
    expect(names(changes.left[0]!.timeline.events).slice(-2)).toEqual(['1', 'm.room.member']);
    expect(names(changes.left[0]!.timeline.events)).not.toContain('2');
  });
});

describe('an incremental sync', () => {
  it('has what is new, and nothing when nothing is', async () => {
    const since = await now(ALICE);
    expect((await fixture.sync(ALICE, since)).changes.joined).toEqual([]);
    await say(2);
    const joined = await only(ALICE, since);
    expect(names(joined.timeline.events)).toEqual(['1', '2']);
    expect(joined).toMatchObject({ state: [], summary: null, ephemeral: [], timeline: { limited: false } });
    const { next } = await fixture.sync(ALICE, since);
    expect((await fixture.sync(ALICE, next)).changes.joined).toEqual([]);
  });

  it('a limited timeline has the state of the gap in `state`, and its prev_batch leads into the gap', async () => {
    const since = await now(ALICE);
    await fixture.setState(ALICE, room, 'm.room.name', { name: 'one' });
    await say(3);
    await fixture.setState(ALICE, room, 'm.room.topic', { topic: 'gap' });
    await fixture.setState(ALICE, room, 'm.room.name', { name: 'two' });
    await say(2, 4);
    await fixture.setState(ALICE, room, 'm.room.name', { name: 'three' });
    const joined = await only(ALICE, since, { filter: { timeline: { limit: 2 } } });
    expect(names(joined.timeline.events)).toEqual(['5', 'm.room.name']);
    expect(joined.timeline.limited).toBe(true);
    expect(joined.state.map((event) => event.content)).toEqual([{ topic: 'gap' }, { name: 'two' }]);
    const page = await fixture.rooms.timeline.messages({ userId: ALICE, deviceId: 'D' }, room, {
      dir: 'b',
      from: joined.timeline.prevBatch,
      to: `t${since.position}`,
      limit: 50,
      filter: (await import('../../src/homeserver/sync/filter.ts')).DEFAULT_FILTER.room.timeline,
    });
    expect(names(page.chunk)).toEqual(['4', 'm.room.name', 'm.room.topic', '3', '2', '1', 'm.room.name']);
  });

  it('is exactly at the limit when everything fits', async () => {
    const since = await now(ALICE);
    await say(3);
    expect((await only(ALICE, since, { filter: { timeline: { limit: 3 } } })).timeline.limited).toBe(false);
    expect((await only(ALICE, since, { filter: { timeline: { limit: 2 } } })).timeline.limited).toBe(true);
  });

  it('state that the filter keeps out of the timeline is in the state', async () => {
    const since = await now(ALICE);
    await say(1);
    await fixture.setState(ALICE, room, 'm.room.name', { name: 'n' });
    await say(1, 2);
    const joined = await only(ALICE, since, { filter: { timeline: { not_types: ['m.room.name'] } } });
    expect(names(joined.timeline.events)).toEqual(['1', '2']);
    expect(names(joined.state)).toEqual(['m.room.name']);
    const silent = await only(ALICE, since, { filter: { timeline: { limit: 0 } } });
    expect(silent.timeline).toMatchObject({ events: [], limited: true });
    expect(names(silent.state)).toEqual(['m.room.name']);
  });

  it('looks no further than it is told', async () => {
    const since = await now(ALICE);
    await say(1);
    const upTo = await fixture.rooms.sync.position();
    await say(1, 2);
    await fixture.rooms.memberships.leave(ALICE, room);
    const joined = await only(ALICE, since, { upTo });
    expect(names(joined.timeline.events)).toEqual(['1']);
    const { changes } = await fixture.sync(ALICE, { ...since, position: upTo });
    expect(changes.joined).toEqual([]);
    expect(names(changes.left[0]!.timeline.events)).toEqual(['2', 'm.room.member']);
  });

  it('full_state has every room with all of its state', async () => {
    const since = await now(ALICE);
    const joined = await only(ALICE, since, { fullState: true });
    expect(joined.timeline.events).toEqual([]);
    expect(names(joined.state)).toHaveLength(6);
    expect(joined.summary).not.toBeNull();
  });

  it('leaves out rooms that the filter does not want', async () => {
    const since = await now(ALICE);
    await say(1);
    for (const filter of [{ not_rooms: [room] }, { rooms: [] }]) {
      expect((await fixture.sync(ALICE, since, { filter })).changes.joined).toEqual([]);
    }
    const joined = await fixture.sync(ALICE, since, { filter: { timeline: { not_rooms: [room] } } });
    expect(joined.changes.joined).toEqual([]);
  });

  it('shows the transaction id to the device that sent', async () => {
    const since = await now(ALICE);
    await fixture.say(ALICE, room, 'hi', { txnId: 'mine', deviceId: 'PHONE' });
    const phone = await only(ALICE, since, { deviceId: 'PHONE' });
    const laptop = await only(ALICE, since, { deviceId: 'LAPTOP' });
    expect(phone.timeline.events[0]?.unsigned.transaction_id).toBe('mine');
    expect(laptop.timeline.events[0]?.unsigned).not.toHaveProperty('transaction_id');
  });

  it('shows a redaction, and the event it stripped without its content', async () => {
    const since = await now(ALICE);
    const id = await fixture.say(ALICE, room, 'oops');
    await fixture.redact(ALICE, room, id);
    const { timeline } = await only(ALICE, since);
    expect(timeline.events.map((event) => event.content)).toEqual([{}, { redacts: id }]);
    expect(timeline.events[1]?.redacts).toBe(id);
  });
});

describe('coming and going', () => {
  it('a newly joined room is whole, and its members are newly visible', async () => {
    await fixture.rooms.memberships.join(CAROL, room);
    await say(20);
    const since = await now(BOB);
    await fixture.rooms.memberships.join(BOB, room);
    const { changes, next } = await fixture.sync(BOB, since);
    expect(changes.newlyJoinedRooms).toEqual([room]);
    expect([...changes.newlyVisibleUsers].toSorted()).toEqual([ALICE, CAROL]);
    expect(changes.joined[0]).toMatchObject({ timeline: { limited: true } });
    expect(names(changes.joined[0]!.state)).toHaveLength(7);
    expect(changes.joined[0]!.summary).toMatchObject({ 'm.heroes': [ALICE, CAROL], 'm.joined_member_count': 3 });
    const later = await fixture.sync(BOB, next);
    expect(later.changes).toMatchObject({ joined: [], newlyJoinedRooms: [] });
    expect(later.changes.newlyVisibleUsers.size).toBe(0);
  });

  it('newly visible are also those who join, are invited or knock, and nobody who goes', async () => {
    await fixture.rooms.memberships.join(BOB, room);
    const since = await now(ALICE);
    await fixture.rooms.memberships.join(CAROL, room);
    await fixture.rooms.memberships.invite(ALICE, room, '@dave:test');
    await fixture.rooms.memberships.leave(BOB, room);
    const { changes } = await fixture.sync(ALICE, since, { filter: { timeline: { limit: 1 } } });
    expect([...changes.newlyVisibleUsers]).toEqual([CAROL, '@dave:test']);
    expect(changes.newlyJoinedRooms).toEqual([]);
    expect(changes.joined[0]!.summary).toMatchObject({ 'm.joined_member_count': 2, 'm.invited_member_count': 1 });
  });

  it('senders whose member events are only repeated are not newly visible', async () => {
    await fixture.rooms.memberships.join(BOB, room);
    const since = await now(ALICE);
    await fixture.say(BOB, room, 'hi');
    const filter = { state: { lazy_load_members: true } };
    const { changes } = await fixture.sync(ALICE, since, { filter });
    expect(changes.joined[0]!.state.map((event) => event.state_key)).toEqual([BOB]);
    expect(changes.newlyVisibleUsers.size).toBe(0);
  });

  it('with lazy loading a sender who just came in is there once', async () => {
    const since = await now(ALICE);
    await fixture.rooms.memberships.join(BOB, room);
    await fixture.say(BOB, room, 'hi');
    const filter = { timeline: { limit: 1, lazy_load_members: true } };
    const joined = await only(ALICE, since, { filter });
    expect(joined.state.map((event) => event.state_key)).toEqual([BOB]);
  });

  it('with lazy loading a whole state has oneself, the senders and the heroes', async () => {
    for (let i = 0; i < 10; i += 1) await fixture.rooms.memberships.join(`@u${i}:test`, room);
    await fixture.rooms.memberships.join(BOB, room);
    await say(5);
    const joined = await only(BOB, null, { filter: { timeline: { limit: 5, lazy_load_members: true } } });
    const members = joined.state
      .filter((event) => event.type === 'm.room.member')
      .map((event) => String(event.state_key));
    expect(members.toSorted()).toEqual([ALICE, BOB, '@u0:test', '@u1:test', '@u2:test', '@u3:test']);
    expect(joined.summary?.['m.heroes']).toEqual([ALICE, '@u0:test', '@u1:test', '@u2:test', '@u3:test']);
  });

  it('a room with a name has no heroes', async () => {
    await fixture.setState(ALICE, room, 'm.room.name', { name: 'n' });
    expect((await only(ALICE, null)).summary).not.toHaveProperty('m.heroes');
  });

  it('an invite turned down, by whomever, is a left room with nothing but member events', async () => {
    await fixture.setState(ALICE, room, 'm.room.join_rules', { join_rule: 'invite' });
    await fixture.rooms.memberships.invite(ALICE, room, BOB);
    const since = await now(BOB);
    await say(2);
    await fixture.rooms.memberships.leave(BOB, room);
    await say(2, 3);
    const { changes, next } = await fixture.sync(BOB, since);
    expect(changes).toMatchObject({ joined: [], invited: [] });
    expect(changes.left).toMatchObject([{ roomId: room, state: [] }]);
    expect(changes.left[0]!.timeline.events.map((event) => event.content)).toEqual([{ membership: 'leave' }]);
    expect((await fixture.sync(BOB, next)).changes.left).toEqual([]);
  });

  it('a kick ends the room with the kick; what follows is not shown', async () => {
    await fixture.rooms.memberships.join(BOB, room);
    const since = await now(BOB);
    await say(1);
    await fixture.rooms.memberships.kick(ALICE, room, BOB, 'bye');
    await fixture.setState(ALICE, room, 'm.room.name', { name: 'secret' });
    const { changes } = await fixture.sync(BOB, since);
    expect(changes.left[0]!.timeline.events.map((event) => event.content['reason'] ?? event.content['body'])).toEqual([
      '1',
      'bye',
    ]);
    expect(JSON.stringify(changes.left)).not.toContain('secret');
  });

  it('a ban of a stranger shows them the ban and no more', async () => {
    const since = await now(BOB);
    await fixture.rooms.memberships.ban(ALICE, room, BOB);
    const { changes } = await fixture.sync(BOB, since);
    expect(changes.left).toMatchObject([{ state: [], timeline: { events: [{ content: { membership: 'ban' } }] } }]);
  });

  it('a ban long after leaving tells nothing of the time between', async () => {
    await fixture.rooms.memberships.join(BOB, room);
    await fixture.rooms.memberships.leave(BOB, room);
    const since = await now(BOB);
    await fixture.setState(ALICE, room, 'm.room.name', { name: 'secret' });
    await fixture.rooms.memberships.ban(ALICE, room, BOB);
    const filter = { include_leave: true, timeline: { limit: 1 } };
    for (const each of [since, null]) {
      const { changes } = await fixture.sync(BOB, each, { filter });
      expect(names(changes.left[0]!.timeline.events)).toEqual(['m.room.member']);
      expect(JSON.stringify(changes)).not.toContain('secret');
    }
    const reader = { userId: BOB, deviceId: 'D' };
    expect(names(await fixture.rooms.reader.state(reader, room))).not.toContain('m.room.name');
  });

  it('nor does one soon after it, however short the timeline', async () => {
    await fixture.rooms.memberships.join(BOB, room);
    const since = await now(BOB);
    await fixture.setState(ALICE, room, 'm.room.topic', { topic: 'seen' });
    await fixture.rooms.memberships.leave(BOB, room);
    await fixture.setState(ALICE, room, 'm.room.name', { name: 'secret' });
    await fixture.rooms.memberships.ban(ALICE, room, BOB);
    const { changes } = await fixture.sync(BOB, since, { filter: { timeline: { limit: 1 } } });
    expect(changes.left[0]!.timeline.events.map((event) => event.content)).toEqual([{ membership: 'ban' }]);
    expect(names(changes.left[0]!.state)).toEqual(['m.room.topic', 'm.room.member']);
  });

  it('joined and left between two syncs: the whole visit', async () => {
    const since = await now(BOB);
    await fixture.rooms.memberships.join(BOB, room);
    await say(1);
    await fixture.rooms.memberships.leave(BOB, room);
    const { changes } = await fixture.sync(BOB, since, { filter: { timeline: { limit: 2 } } });
    expect(changes.joined).toEqual([]);
    expect(names(changes.left[0]!.timeline.events)).toEqual(['1', 'm.room.member']);
    expect(names(changes.left[0]!.state)).toHaveLength(7);
  });

  it('left and joined again between two syncs: newly joined, and the client starts its timeline anew', async () => {
    await fixture.rooms.memberships.join(BOB, room);
    const since = await now(BOB);
    await fixture.rooms.memberships.leave(BOB, room);
    await say(1);
    await fixture.rooms.memberships.join(BOB, room);
    const { changes } = await fixture.sync(BOB, since);
    expect(changes.newlyJoinedRooms).toEqual([room]);
    expect(changes.joined[0]!.timeline.limited).toBe(true);
    expect(changes.left).toEqual([]);
  });

  it('a changed profile is no new join', async () => {
    const since = await now(ALICE);
    fixture.profiles.set(ALICE, { displayname: 'A', avatarUrl: null });
    await fixture.rooms.memberships.profileChanged(ALICE);
    const { changes } = await fixture.sync(ALICE, since);
    expect(changes.newlyJoinedRooms).toEqual([]);
    expect(changes.joined[0]!.state).toEqual([]);
    expect(changes.newlyVisibleUsers.size).toBe(0);
  });

  it('knocks have a section of their own', async () => {
    await fixture.setState(ALICE, room, 'm.room.join_rules', { join_rule: 'knock' });
    const since = await now(BOB);
    await fixture.rooms.memberships.knock(BOB, room);
    const { changes } = await fixture.sync(BOB, since);
    expect(changes.knocked).toMatchObject([{ roomId: room }]);
    expect(changes.invited).toEqual([]);
  });

  it('nothing of a restricted history is shown to a newcomer, in the timeline either', async () => {
    await fixture.setState(ALICE, room, 'm.room.history_visibility', { history_visibility: 'joined' });
    await say(3);
    const since = await now(BOB);
    await fixture.rooms.memberships.join(BOB, room);
    await say(1, 4);
    const { changes } = await fixture.sync(BOB, since);
    const shown = names(changes.joined[0]!.timeline.events);
    expect(shown.slice(-2)).toEqual(['m.room.member', '4']);
    for (const hidden of ['1', '2', '3']) expect(shown).not.toContain(hidden);
  });
});

describe('receipts and typing', () => {
  it('receipts are shown to members, private ones to their reader only', async () => {
    await fixture.rooms.memberships.join(BOB, room);
    const eventId = await fixture.say(ALICE, room, 'hi');
    const [alice, bob] = [await now(ALICE), await now(BOB)];
    await fixture.rooms.receipts.set(BOB, room, { type: 'm.read', eventId, threadId: null });
    await fixture.rooms.receipts.set(BOB, room, { type: 'm.read.private', eventId, threadId: 'main' });
    const ts = fixture.clock.now();
    const shown = { [eventId]: { 'm.read': { [BOB]: { ts } } } };
    expect((await only(ALICE, alice)).ephemeral).toEqual([{ type: 'm.receipt', content: shown }]);
    expect((await only(BOB, bob)).ephemeral).toEqual([
      {
        type: 'm.receipt',
        content: { [eventId]: { ...shown[eventId], 'm.read.private': { [BOB]: { ts, thread_id: 'main' } } } },
      },
    ]);
    expect((await only(ALICE, null)).ephemeral).toHaveLength(1);
    expect(
      (await fixture.sync(ALICE, alice, { filter: { ephemeral: { not_types: ['m.receipt'] } } })).changes.joined,
    ).toEqual([]);
    expect(fixture.notified.slice(-2).map((told) => told.users)).toEqual([[ALICE, BOB], [BOB]]);
  });

  it('a private receipt alone tells the others nothing', async () => {
    await fixture.rooms.memberships.join(BOB, room);
    const since = await now(ALICE);
    const [event] = await fixture.store.listEvents(room, { after: 0, upTo: 99, direction: 'backward', limit: 1 });
    await fixture.rooms.receipts.set(BOB, room, { type: 'm.read.private', eventId: event!.eventId, threadId: null });
    expect((await fixture.sync(ALICE, since)).changes.joined).toEqual([]);
  });

  it('typing is told when it starts and when it ends, by itself if need be', async () => {
    await fixture.rooms.memberships.join(BOB, room);
    const since = await now(ALICE);
    await fixture.rooms.setTyping(BOB, room, 5_000);
    await fixture.clock.settle();
    expect(fixture.typingTold.at(-1)?.users).toEqual([ALICE, BOB]);
    const first = await only(ALICE, since);
    expect(first.ephemeral).toEqual([{ type: 'm.typing', content: { user_ids: [BOB] } }]);
    const typed = await now(ALICE);
    expect((await fixture.sync(ALICE, typed)).changes.joined).toEqual([]);
    await fixture.clock.advance(4_999);
    expect((await fixture.sync(ALICE, typed)).changes.joined).toEqual([]);
    await fixture.clock.advance(1);
    expect((await only(ALICE, typed)).ephemeral).toEqual([{ type: 'm.typing', content: { user_ids: [] } }]);
    expect((await only(ALICE, null)).ephemeral).toEqual([]);
  });

  it('an initial sync shows who is typing', async () => {
    await fixture.rooms.setTyping(ALICE, room, 5_000);
    expect((await only(ALICE, null)).ephemeral).toEqual([{ type: 'm.typing', content: { user_ids: [ALICE] } }]);
  });
});

describe('after a restart', () => {
  it('a token goes on where it was', async () => {
    await fixture.rooms.memberships.join(BOB, room);
    const since = await now(BOB);
    await say(2);
    await fixture.clock.advance(10);
    fixture = fixture.reopen();
    const joined = await only(BOB, since);
    expect(names(joined.timeline.events)).toEqual(['1', '2']);
    expect(fixture.rooms.sync.typingSerial()).toBeGreaterThan(since.typing);
  });
});
