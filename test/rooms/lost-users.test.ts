import { afterEach, beforeEach, describe, expect, it } from 'vitest';
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

const DAVE = '@dave:test';

let fixture: RoomsFixture;
let room: RoomId;
beforeEach(async () => {
  fixture = createRoomsFixture();
  room = await fixture.rooms.createRoom(ALICE, { preset: 'public_chat' });
  for (const member of [BOB, CAROL] as const) await fixture.rooms.memberships.join(member, room);
});
afterEach(() => fixture[Symbol.dispose]());

const now = async (userId: UserId): Promise<SyncToken> => (await fixture.sync(userId)).next;
async function lost(userId: UserId, since: SyncToken | null, options?: SyncOptions): Promise<readonly UserId[]> {
  return [...(await fixture.sync(userId, since, options)).changes.lostUsers].toSorted();
}

describe('who may have gone out of sight', () => {
  it.each<[string, () => Promise<void>]>([
    ['leaves', () => fixture.rooms.memberships.leave(BOB, room)],
    ['is removed', () => fixture.rooms.memberships.kick(ALICE, room, BOB)],
    ['is banned', () => fixture.rooms.memberships.ban(ALICE, room, BOB)],
    [
      'is removed, then banned',
      async () => {
        await fixture.rooms.memberships.kick(ALICE, room, BOB);
        await fixture.rooms.memberships.ban(ALICE, room, BOB);
      },
    ],
    [
      'leaves, is invited, and does not come',
      async () => {
        await fixture.rooms.memberships.leave(BOB, room);
        await fixture.rooms.memberships.invite(ALICE, room, BOB);
        await fixture.rooms.memberships.leave(BOB, room);
      },
    ],
  ])('whoever %s, to those who stay; and they to them', async (_how, go) => {
    const [alice, bob] = [await now(ALICE), await now(BOB)];
    await go();
    expect(await lost(ALICE, alice)).toEqual([BOB]);
    expect(await lost(BOB, bob)).toEqual([ALICE, CAROL]);
    fixture = fixture.reopen();
    expect(await lost(ALICE, alice)).toEqual([BOB]);
    expect(await lost(BOB, bob)).toEqual([ALICE, CAROL]);
    expect(await lost(ALICE, await now(ALICE))).toEqual([]);
    expect(await lost(BOB, await now(BOB))).toEqual([]);
    expect(await lost(BOB, null)).toEqual([]);
  });

  it('whoever left before the timeline begins, or in a room that the filter leaves out', async () => {
    const alice = await now(ALICE);
    await fixture.rooms.memberships.leave(BOB, room);
    for (let n = 0; n < 20; n++) await fixture.say(ALICE, room, String(n));
    expect(await lost(ALICE, alice, { filter: { timeline: { limit: 1 } } })).toEqual([BOB]);
    expect(await lost(ALICE, alice, { filter: { timeline: { types: ['m.room.message'] } } })).toEqual([BOB]);
    expect(await lost(ALICE, alice, { filter: { not_rooms: [room] } })).toEqual([BOB]);
    const carol = await now(CAROL);
    await fixture.rooms.memberships.leave(CAROL, room);
    expect(await lost(CAROL, carol, { filter: { rooms: [] } })).toEqual([ALICE]);
  });

  it('whoever left while one was there oneself, and nobody who did not share that time', async () => {
    const [bob, dave] = [await now(BOB), await now(DAVE)];
    await fixture.rooms.memberships.leave(BOB, room);
    await fixture.rooms.memberships.join(DAVE, room);
    await fixture.rooms.memberships.leave(CAROL, room);
    expect(await lost(BOB, bob)).toEqual([ALICE, CAROL]);
    await fixture.rooms.memberships.leave(DAVE, room);
    expect(await lost(DAVE, dave)).toEqual([ALICE, CAROL]);
    expect(await lost(BOB, bob)).toEqual([ALICE, CAROL]);
    await fixture.rooms.memberships.join(BOB, room);
    // Carol was there with Bob and is gone; Dave came and went while Bob was away.
    expect(await lost(BOB, bob)).toEqual([CAROL]);
  });

  it('nobody who was only invited, or came and went before one did', async () => {
    const [alice, dave] = [await now(ALICE), await now(DAVE)];
    await fixture.rooms.memberships.invite(ALICE, room, '@e:test');
    await fixture.rooms.memberships.leave('@e:test', room);
    expect(await lost(ALICE, alice)).toEqual([]);
    await fixture.rooms.memberships.leave(BOB, room);
    await fixture.rooms.memberships.invite(ALICE, room, DAVE);
    await fixture.rooms.memberships.leave(DAVE, room);
    expect(await lost(DAVE, dave)).toEqual([]);
    await fixture.rooms.memberships.join(DAVE, room);
    expect(await lost(DAVE, dave)).toEqual([]);
  });

  it('everybody of a room that one has left and forgotten, or was invited to again', async () => {
    const [bob, carol] = [await now(BOB), await now(CAROL)];
    await fixture.rooms.memberships.leave(BOB, room);
    await fixture.rooms.memberships.forget(BOB, room);
    expect(await lost(BOB, bob)).toEqual([ALICE, CAROL]);
    await fixture.rooms.memberships.leave(CAROL, room);
    await fixture.rooms.memberships.invite(ALICE, room, CAROL);
    expect(await lost(CAROL, carol)).toEqual([ALICE, BOB]);
  });

  it('only what has happened by then', async () => {
    const alice = await now(ALICE);
    const upTo = (await now(ALICE)).position;
    await fixture.rooms.memberships.leave(BOB, room);
    expect(await lost(ALICE, alice, { upTo })).toEqual([]);
    expect(await lost(ALICE, alice, { fullState: true })).toEqual([BOB]);
    fixture.profiles.set(CAROL, { displayname: 'C', avatarUrl: null });
    const carol = await now(CAROL);
    await fixture.rooms.memberships.profileChanged(CAROL);
    const renamed = (await now(CAROL)).position;
    await fixture.rooms.memberships.leave(CAROL, room);
    expect(await lost(CAROL, carol, { upTo: renamed })).toEqual([]);
    const gone = await now(CAROL);
    await fixture.rooms.memberships.invite(ALICE, room, CAROL);
    expect(await lost(CAROL, gone)).toEqual([]);
  });

  it('nobody of a room that is left out of presence', async () => {
    const hall = new Set<RoomId>();
    using other = createRoomsFixture(':memory:', null, hall);
    const id = await other.rooms.createRoom(ALICE, { preset: 'public_chat' });
    hall.add(id);
    await other.rooms.memberships.join(BOB, id);
    const { next } = await other.sync(ALICE);
    await other.rooms.memberships.leave(BOB, id);
    expect((await other.sync(ALICE, next)).changes.lostUsers.size).toBe(0);
  });
});
