import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RoomId, UserId } from '../../src/matrix/identifiers.ts';
import { ALICE, BOB, CAROL, createRoomsFixture, outcome, type RoomsFixture } from '../support/rooms-fixture.ts';

let fixture: RoomsFixture;
let room: RoomId;
beforeEach(async () => {
  fixture = createRoomsFixture();
  room = await fixture.rooms.createRoom(ALICE, { preset: 'private_chat' });
});
afterEach(() => fixture[Symbol.dispose]());

const membershipOf = async (userId: UserId): Promise<string | undefined> =>
  (await fixture.store.findMembership(room, userId))?.membership;
const NOWHERE: RoomId = '!nowhere:test';

describe('joining and inviting', () => {
  it('needs an invite, which shows the guest as they are known, and a reason', async () => {
    const { memberships } = fixture.rooms;
    expect(await outcome(memberships.join(BOB, room))).toBe('403 M_FORBIDDEN');
    fixture.profiles.set(BOB, { displayname: 'Bob', avatarUrl: null });
    await memberships.invite(ALICE, room, BOB, 'come in');
    expect(await membershipOf(BOB)).toBe('invite');
    await memberships.join(BOB, room, 'gladly');
    const reader = { userId: BOB, deviceId: 'D' };
    const event = await fixture.rooms.reader.stateEvent(reader, room, ['m.room.member', BOB]);
    expect(event.content).toEqual({ membership: 'join', displayname: 'Bob', reason: 'gladly' });
    expect(event.unsigned.prev_content).toEqual({ membership: 'invite', displayname: 'Bob', reason: 'come in' });
    expect(event.unsigned.replaces_state).toMatch(/^\$/);
  });

  it('does nothing for somebody who is in', async () => {
    const position = await fixture.store.currentPosition();
    await fixture.rooms.memberships.join(ALICE, room, 'again');
    expect(await fixture.store.currentPosition()).toBe(position);
  });

  it('says that a room does not exist to whoever wants to join it, and to nobody else', async () => {
    const { memberships } = fixture.rooms;
    expect(await outcome(memberships.join(ALICE, NOWHERE))).toBe('404 M_NOT_FOUND');
    expect(await outcome(memberships.knock(ALICE, NOWHERE))).toBe('404 M_NOT_FOUND');
    for (const target of [NOWHERE, room]) {
      expect(await outcome(memberships.invite(BOB, target, CAROL))).toBe('403 M_FORBIDDEN');
      expect(await outcome(memberships.leave(BOB, target))).toBe('403 M_FORBIDDEN');
      expect(await outcome(memberships.kick(BOB, target, ALICE))).toBe('403 M_FORBIDDEN');
      expect(await outcome(memberships.ban(BOB, target, ALICE))).toBe('403 M_FORBIDDEN');
      expect(await outcome(memberships.unban(BOB, target, ALICE))).toBe('403 M_FORBIDDEN');
      expect(await outcome(memberships.forget(BOB, target))).toBe('403 M_FORBIDDEN');
    }
  });

  it('invites nobody from elsewhere and nothing that is no user', async () => {
    const { memberships } = fixture.rooms;
    expect(await outcome(memberships.invite(ALICE, room, '@x:elsewhere'))).toBe('403 M_FORBIDDEN');
    expect(await outcome(memberships.invite(ALICE, room, 'bob'))).toBe('400 M_INVALID_PARAM');
    expect(await outcome(memberships.kick(ALICE, room, 'bob'))).toBe('400 M_INVALID_PARAM');
    expect(await outcome(memberships.kick(ALICE, room, '@x:elsewhere'))).toBe('403 M_FORBIDDEN');
  });

  it('lets people knock where the rule says so, and in when they are answered', async () => {
    const { memberships } = fixture.rooms;
    expect(await outcome(memberships.knock(BOB, room))).toBe('403 M_FORBIDDEN');
    await fixture.setState(ALICE, room, 'm.room.join_rules', { join_rule: 'knock' });
    await memberships.knock(BOB, room);
    expect(await membershipOf(BOB)).toBe('knock');
    expect(await outcome(memberships.join(BOB, room))).toBe('403 M_FORBIDDEN');
    await memberships.invite(ALICE, room, BOB);
    await memberships.join(BOB, room);
    expect(await membershipOf(BOB)).toBe('join');
  });

  it('lets members of another room into a restricted one, and names who vouches', async () => {
    const { memberships, createRoom } = fixture.rooms;
    const space = await createRoom(ALICE, { preset: 'public_chat' });
    const allow = [{ type: 'm.room_membership', room_id: space }, { type: 'x' }, null];
    await fixture.setState(ALICE, room, 'm.room.join_rules', { join_rule: 'restricted', allow });
    expect(await outcome(memberships.join(BOB, room))).toBe('403 M_FORBIDDEN');
    await memberships.join(BOB, space);
    await memberships.join(BOB, room);
    const event = await fixture.rooms.reader.stateEvent({ userId: BOB, deviceId: 'D' }, room, ['m.room.member', BOB]);
    expect(event.content).toMatchObject({ membership: 'join', join_authorised_via_users_server: ALICE });
  });
});

describe('leaving, removing, banning', () => {
  beforeEach(async () => {
    await fixture.rooms.memberships.invite(ALICE, room, BOB);
  });

  it('turns an invite down', async () => {
    await fixture.rooms.memberships.leave(BOB, room);
    expect(await membershipOf(BOB)).toBe('leave');
    expect(await outcome(fixture.rooms.memberships.join(BOB, room))).toBe('403 M_FORBIDDEN');
  });

  it('leaves twice without an error and without a second event', async () => {
    const { memberships } = fixture.rooms;
    await memberships.join(BOB, room);
    await memberships.leave(BOB, room);
    const position = await fixture.store.currentPosition();
    await memberships.leave(BOB, room);
    expect(await fixture.store.currentPosition()).toBe(position);
  });

  it('removes who is in or invited, and nobody else', async () => {
    const { memberships } = fixture.rooms;
    await memberships.kick(ALICE, room, BOB, 'bye');
    expect(await membershipOf(BOB)).toBe('leave');
    expect(await outcome(memberships.kick(ALICE, room, BOB))).toBe('403 M_FORBIDDEN');
    expect(await outcome(memberships.kick(ALICE, room, CAROL))).toBe('403 M_FORBIDDEN');
  });

  it('bans until the ban is lifted', async () => {
    const { memberships } = fixture.rooms;
    await fixture.setState(ALICE, room, 'm.room.join_rules', { join_rule: 'public' });
    await memberships.join(BOB, room);
    expect(await outcome(memberships.ban(BOB, room, ALICE))).toBe('403 M_FORBIDDEN');
    await memberships.ban(ALICE, room, BOB);
    expect(await outcome(memberships.join(BOB, room))).toBe('403 M_FORBIDDEN');
    expect(await outcome(memberships.leave(BOB, room))).toBe('403 M_FORBIDDEN');
    await memberships.unban(ALICE, room, BOB);
    expect(await membershipOf(BOB)).toBe('leave');
    expect(await outcome(memberships.unban(ALICE, room, BOB))).toBe('403 M_BAD_STATE');
    await memberships.join(BOB, room);
    await memberships.leave(BOB, room);
    expect(await outcome(memberships.unban(BOB, room, CAROL))).toBe('403 M_FORBIDDEN');
  });

  it('tells presence of every join and leave in order, and members of every change', async () => {
    const { memberships } = fixture.rooms;
    fixture.membershipChanges.length = 0;
    fixture.notified.length = 0;
    await memberships.join(BOB, room);
    await memberships.ban(ALICE, room, BOB);
    expect(fixture.membershipChanges).toEqual([
      { roomId: room, userId: BOB, membership: 'join' },
      { roomId: room, userId: BOB, membership: 'leave' },
    ]);
    expect(fixture.notified.map((told) => told.users)).toEqual([
      [ALICE, BOB],
      [ALICE, BOB],
    ]);
    await fixture.say(ALICE, room, 'alone again');
    expect(fixture.notified.at(-1)?.users).toEqual([ALICE]);
  });

  it('tells devices that still have a room they were made to forget that they are out, and nothing after that', async () => {
    const { memberships } = fixture.rooms;
    await memberships.join(BOB, room);
    const { next: whileIn } = await fixture.sync(BOB);
    await memberships.leave(BOB, room);
    const { next: whileOut } = await fixture.sync(BOB);
    await memberships.forget(BOB, room);
    await memberships.ban(ALICE, room, BOB);
    const { changes: late } = await fixture.sync(BOB, whileIn);
    expect(late.left.map((left) => left.roomId)).toEqual([room]);
    expect((await fixture.sync(BOB, whileOut)).changes.left).toEqual([]);
    expect((await fixture.sync(BOB, null, { filter: { include_leave: true } })).changes.left).toEqual([]);
  });

  it('forgets a room only when it was left, and then shows nothing of it', async () => {
    const { memberships, timeline, reader } = fixture.rooms;
    await memberships.join(BOB, room);
    expect(await outcome(memberships.forget(BOB, room))).toBe('400 M_UNKNOWN');
    await memberships.leave(BOB, room);
    const who = { userId: BOB, deviceId: 'D' };
    expect(await reader.state(who, room)).not.toEqual([]);
    await memberships.forget(BOB, room);
    expect(await outcome(reader.state(who, room))).toBe('403 M_FORBIDDEN');
    const { changes } = await fixture.sync(BOB, null, { filter: { include_leave: true } });
    expect(changes.left).toEqual([]);
    const page = timeline.messages(who, room, {
      dir: 'b',
      from: null,
      to: null,
      limit: 5,
      filter: (await import('../../src/homeserver/sync/filter.ts')).DEFAULT_FILTER.room.timeline,
    });
    expect(await outcome(page)).toBe('403 M_FORBIDDEN');
    await memberships.invite(ALICE, room, BOB);
    await memberships.join(BOB, room);
    expect(await reader.state(who, room)).not.toEqual([]);
  });
});

describe('profiles and accounts', () => {
  it('shows a changed profile in every room the user is in, and in no other', async () => {
    const second = await fixture.rooms.createRoom(ALICE, {});
    const third = await fixture.rooms.createRoom(ALICE, {});
    await fixture.rooms.memberships.leave(ALICE, third);
    fixture.profiles.set(ALICE, { displayname: 'A.', avatarUrl: null });
    await fixture.rooms.memberships.profileChanged(ALICE);
    for (const [roomId, name] of [
      [room, 'A.'],
      [second, 'A.'],
      [third, undefined],
    ] as const) {
      const event = await fixture.rooms.reader.stateEvent({ userId: ALICE, deviceId: 'D' }, roomId, [
        'm.room.member',
        ALICE,
      ]);
      expect(event.content['displayname']).toBe(name);
    }
    const position = await fixture.store.currentPosition();
    await fixture.rooms.memberships.profileChanged(ALICE);
    expect(await fixture.store.currentPosition()).toBe(position);
    fixture.profiles.delete(ALICE);
    await fixture.rooms.memberships.profileChanged(ALICE);
    const event = await fixture.rooms.reader.stateEvent({ userId: ALICE, deviceId: 'D' }, room, [
      'm.room.member',
      ALICE,
    ]);
    expect(event.content).toEqual({ membership: 'join' });
  });

  it('leaves everything when the account ends, and turns invites down', async () => {
    const other = await fixture.rooms.createRoom(CAROL, { invite: [BOB] });
    await fixture.rooms.memberships.invite(ALICE, room, BOB);
    await fixture.rooms.memberships.join(BOB, room);
    await fixture.rooms.memberships.leaveAll(BOB);
    expect(await membershipOf(BOB)).toBe('leave');
    expect((await fixture.store.findMembership(other, BOB))?.membership).toBe('leave');
    expect(await fixture.rooms.memberships.joinedRooms(BOB)).toEqual([]);
  });

  it('loads what presence needs, and tells of changes from the moment it is asked', async () => {
    const found: unknown[] = [];
    for await (const each of fixture.rooms.roomDirectory.loadJoined()) found.push(each);
    expect(found).toEqual([{ roomId: room, members: [ALICE] }]);
    const told: unknown[] = [];
    const subscription = fixture.rooms.roomDirectory.onMembershipChange((change) => told.push(change));
    await fixture.rooms.memberships.leave(ALICE, room);
    subscription[Symbol.dispose]();
    await fixture.rooms.createRoom(BOB, {});
    expect(told).toEqual([{ roomId: room, userId: ALICE, membership: 'leave' }]);
  });
});
