import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CreateRoomRequest } from '../../src/homeserver/rooms/create-room.ts';
import type { RoomId, UserId } from '../../src/matrix/identifiers.ts';
import { ALICE, BOB, CAROL, createRoomsFixture, outcome, type RoomsFixture } from '../support/rooms-fixture.ts';

let fixture: RoomsFixture;
beforeEach(() => {
  fixture = createRoomsFixture();
});
afterEach(() => fixture[Symbol.dispose]());

const create = (request: CreateRoomRequest = {}): Promise<RoomId> => fixture.rooms.createRoom(ALICE, request);

async function stateOf(roomId: RoomId, userId: UserId = ALICE): Promise<Record<string, unknown>> {
  const events = await fixture.rooms.reader.state({ userId, deviceId: 'D' }, roomId);
  return Object.fromEntries(events.map((event) => [`${event.type}|${event.state_key}`, event.content]));
}

describe('createRoom', () => {
  it('makes the events in the order of the specification, at once', async () => {
    fixture.profiles.set(ALICE, { displayname: 'Alice', avatarUrl: 'mxc://test/a' });
    const roomId = await create({
      name: 'Kitchen',
      topic: 'Food',
      room_alias_name: 'kitchen',
      invite: [BOB],
      is_direct: true,
      room_version: '11',
      initial_state: [{ type: 'm.room.encryption', content: { algorithm: 'm.megolm.v1.aes-sha2' } }],
    });
    expect(roomId).toMatch(/^![A-Za-z0-9]{18}:test$/);
    const events = await fixture.store.listEvents(roomId, { after: 0, upTo: 99, direction: 'forward', limit: 99 });
    expect(events.map((event) => event.type)).toEqual([
      'm.room.create',
      'm.room.member',
      'm.room.power_levels',
      'm.room.canonical_alias',
      'm.room.join_rules',
      'm.room.history_visibility',
      'm.room.guest_access',
      'm.room.encryption',
      'm.room.name',
      'm.room.topic',
      'm.room.member',
    ]);
    expect(new Set(events.map((event) => event.eventId)).size).toBe(events.length);
    for (const { eventId } of events) expect(eventId).toMatch(/^\$[A-Za-z0-9_-]{43}$/);
    expect(await stateOf(roomId)).toMatchObject({
      'm.room.create|': { room_version: '11' },
      [`m.room.member|${ALICE}`]: { membership: 'join', displayname: 'Alice', avatar_url: 'mxc://test/a' },
      [`m.room.member|${BOB}`]: { membership: 'invite', is_direct: true },
      'm.room.canonical_alias|': { alias: '#kitchen:test' },
      'm.room.name|': { name: 'Kitchen' },
      'm.room.topic|': { topic: 'Food' },
    });
    expect(await fixture.rooms.directory.roomOf('#kitchen:test')).toBe(roomId);
    expect(fixture.notified).toEqual([{ users: [ALICE, BOB], position: events.at(-1)?.position }]);
    expect(fixture.membershipChanges).toEqual([
      { roomId, userId: ALICE, membership: 'join' },
      { roomId, userId: BOB, membership: 'leave' },
    ]);
  });

  it.each([
    ['private_chat', 'invite', 'can_join', {}],
    ['public_chat', 'public', 'forbidden', {}],
    ['trusted_private_chat', 'invite', 'can_join', { [BOB]: 100 }],
  ] as const)('preset %s', async (preset, joinRule, guestAccess, trusted) => {
    expect(await stateOf(await create({ preset, invite: [BOB] }))).toMatchObject({
      'm.room.create|': { room_version: '10', creator: ALICE },
      'm.room.join_rules|': { join_rule: joinRule },
      'm.room.history_visibility|': { history_visibility: 'shared' },
      'm.room.guest_access|': { guest_access: guestAccess },
      'm.room.power_levels|': { users: { [ALICE]: 100, ...trusted } },
    });
  });

  it('takes the preset from the visibility, and what is given over the preset', async () => {
    const roomId = await create({
      visibility: 'public',
      initial_state: [
        { type: 'm.room.history_visibility', content: { history_visibility: 'joined' } },
        { type: 'x', state_key: 'k', content: {} },
      ],
      power_level_content_override: { events_default: 10 },
      creation_content: { 'm.federate': false },
    });
    const state = await stateOf(roomId);
    expect(state).toMatchObject({
      'm.room.create|': { 'm.federate': false },
      'm.room.join_rules|': { join_rule: 'public' },
      'm.room.history_visibility|': { history_visibility: 'joined' },
      'm.room.power_levels|': { events_default: 10, users: { [ALICE]: 100 } },
      'x|k': {},
    });
    expect((await fixture.rooms.directory.publicRooms({ limit: null, since: null, searchTerm: null })).chunk).toEqual([
      expect.objectContaining({ room_id: roomId, num_joined_members: 1 }),
    ]);
  });

  it('lets power levels of the initial state take the place of the default ones', async () => {
    const content = { users: { [ALICE]: 50 }, state_default: 50 };
    const roomId = await create({ initial_state: [{ type: 'm.room.power_levels', content }] });
    expect((await stateOf(roomId))['m.room.power_levels|']).toEqual(content);
  });

  it.each<[string, string, CreateRoomRequest]>([
    ['a version nobody makes', '400 M_UNSUPPORTED_ROOM_VERSION', { room_version: '6' }],
    [
      'a creator without the power to name it',
      '400 M_INVALID_ROOM_STATE',
      { name: 'x', power_level_content_override: { users: {} } },
    ],
    ['a second creation', '400 M_INVALID_ROOM_STATE', { initial_state: [{ type: 'm.room.create', content: {} }] }],
    [
      'somebody else joined from the start',
      '400 M_INVALID_ROOM_STATE',
      { initial_state: [{ type: 'm.room.member', state_key: BOB, content: { membership: 'join' } }] },
    ],
    [
      'a member who is no user',
      '400 M_INVALID_PARAM',
      { initial_state: [{ type: 'm.room.member', state_key: '__proto__', content: { membership: 'ban' } }] },
    ],
    [
      'an invite to another server in the state',
      '403 M_FORBIDDEN',
      { initial_state: [{ type: 'm.room.member', state_key: '@x:elsewhere', content: { membership: 'invite' } }] },
    ],
    ['levels that are no numbers', '400 M_BAD_JSON', { power_level_content_override: { ban: 'no' } }],
    ['a guest of another server', '403 M_FORBIDDEN', { invite: ['@x:elsewhere'] }],
    ['a name that is no user id', '400 M_INVALID_PARAM', { invite: ['bob' as UserId] }],
    ['an alias with its server', '400 M_INVALID_PARAM', { room_alias_name: 'a:test' }],
    ['an alias that is too long', '400 M_INVALID_PARAM', { room_alias_name: 'a'.repeat(250) }],
    ['a topic that is too long', '413 M_TOO_LARGE', { topic: 'x'.repeat(66_000) }],
    [
      'too many guests',
      '400 M_INVALID_PARAM',
      { invite: Array.from({ length: 1_001 }, (_, i): UserId => `@u${i}:test`) },
    ],
  ])('refuses %s and leaves no room behind', async (_title, expected, request) => {
    expect(await outcome(create(request))).toBe(expected);
    expect(await fixture.store.currentPosition()).toBe(0);
    expect(fixture.notified).toEqual([]);
  });

  it('refuses an alias that is taken', async () => {
    await create({ room_alias_name: 'a' });
    const position = await fixture.store.currentPosition();
    expect(await outcome(create({ room_alias_name: 'a' }))).toBe('400 M_ROOM_IN_USE');
    expect(await fixture.store.currentPosition()).toBe(position);
  });

  it('of two at once, gives an alias to one', async () => {
    const both = await Promise.all([1, 2].map(() => outcome(create({ room_alias_name: 'a' }))));
    expect(both.filter((result) => result === '400 M_ROOM_IN_USE')).toHaveLength(1);
  });

  it('invites everybody once, and not the creator', async () => {
    const roomId = await create({ invite: [BOB, CAROL, BOB, ALICE] });
    expect((await fixture.store.findRoom(roomId))?.invitedCount).toBe(2);
    expect((await fixture.store.findMembership(roomId, ALICE))?.membership).toBe('join');
  });
});
