import { describe, expect, it } from 'vitest';
import type { UserId } from '../../matrix/identifiers.ts';
import type { JsonObject, Membership } from '../../ports/room-store.ts';
import { type AuthEvent, authorise, authoriseRedaction } from './auth-rules.ts';
import { RoomState } from './room-state.ts';

const ADMIN: UserId = '@admin:test';
const MOD: UserId = '@mod:test';
const USER: UserId = '@user:test';
const OTHER: UserId = '@other:test';
const LEVELS = { users: { [ADMIN]: 100, [MOD]: 50 }, ban: 50, kick: 50, redact: 50, invite: 0, state_default: 50 };

interface Room {
  readonly levels?: JsonObject | null;
  readonly joinRule?: string;
  readonly members?: Readonly<Record<UserId, Membership>>;
  readonly restrictedJoinAllowed?: boolean;
}

/** A room of an admin, a moderator and a user, with one more person in whatever membership a test wants. */
function allows(event: AuthEvent, room: Room = {}): true | string {
  const state = new RoomState();
  state.set('m.room.create', '', { sender: ADMIN, content: {} });
  if (room.levels !== null) state.set('m.room.power_levels', '', { sender: ADMIN, content: room.levels ?? LEVELS });
  state.set('m.room.join_rules', '', { sender: ADMIN, content: { join_rule: room.joinRule ?? 'invite' } });
  const members: Record<string, Membership> = { [ADMIN]: 'join', [MOD]: 'join', [USER]: 'join', ...room.members };
  for (const [userId, membership] of Object.entries(members)) {
    state.set('m.room.member', userId, { sender: userId as UserId, content: { membership } });
  }
  try {
    authorise(event, state.toAuthState(room.restrictedJoinAllowed ?? false));
    return true;
  } catch (error) {
    return (error as { errcode?: string }).errcode ?? String(error);
  }
}

function member(sender: UserId, target: UserId, membership: string): AuthEvent {
  return { type: 'm.room.member', stateKey: target, sender, content: { membership } };
}

function state(sender: UserId, type: string, content: JsonObject = {}, stateKey = ''): AuthEvent {
  return { type, stateKey, sender, content };
}

const message = (sender: UserId, type = 'm.room.message'): AuthEvent => ({ type, stateKey: null, sender, content: {} });
const joinedAs = (membership: Membership): Room => ({ members: { [OTHER]: membership } });

describe('authorise: joining', () => {
  it.each<[string, true | string, AuthEvent, Room?]>([
    ['a public room lets anybody in', true, member(OTHER, OTHER, 'join'), { joinRule: 'public' }],
    ['an invited user comes in', true, member(OTHER, OTHER, 'join'), joinedAs('invite')],
    ['a member may join again, as with a new name', true, member(USER, USER, 'join')],
    ['nobody comes in without an invite', 'M_FORBIDDEN', member(OTHER, OTHER, 'join')],
    ['nobody who left comes back without one', 'M_FORBIDDEN', member(OTHER, OTHER, 'join'), joinedAs('leave')],
    ['a knock is no invite', 'M_FORBIDDEN', member(OTHER, OTHER, 'join'), { joinRule: 'knock', ...joinedAs('knock') }],
    ['a private room is closed', 'M_FORBIDDEN', member(OTHER, OTHER, 'join'), { joinRule: 'private' }],
    [
      'a banned user stays out of a public room',
      'M_FORBIDDEN',
      member(OTHER, OTHER, 'join'),
      { joinRule: 'public', ...joinedAs('ban') },
    ],
    ['nobody joins for somebody else', 'M_FORBIDDEN', member(ADMIN, OTHER, 'join'), { joinRule: 'public' }],
    [
      'restricted: who is in the other room comes in',
      true,
      member(OTHER, OTHER, 'join'),
      { joinRule: 'restricted', restrictedJoinAllowed: true },
    ],
    ['restricted: others do not', 'M_FORBIDDEN', member(OTHER, OTHER, 'join'), { joinRule: 'restricted' }],
    [
      'restricted: the invited do',
      true,
      member(OTHER, OTHER, 'join'),
      { joinRule: 'knock_restricted', ...joinedAs('invite') },
    ],
    [
      'membership of another room opens only restricted rooms',
      'M_FORBIDDEN',
      member(OTHER, OTHER, 'join'),
      { restrictedJoinAllowed: true },
    ],
  ])('%s', (_title, expected, event, room) => {
    expect(allows(event, room)).toBe(expected);
  });
});

describe('authorise: inviting', () => {
  it.each<[string, true | string, AuthEvent, Room?]>([
    ['a member with the power invites', true, member(USER, OTHER, 'invite')],
    ['again while the invite stands', true, member(USER, OTHER, 'invite'), joinedAs('invite')],
    [
      'a member without the power does not',
      'M_FORBIDDEN',
      member(USER, OTHER, 'invite'),
      { levels: { ...LEVELS, invite: 50 } },
    ],
    ['nobody from outside does', 'M_FORBIDDEN', member(OTHER, '@x:test', 'invite')],
    ['not somebody who is in', 'M_FORBIDDEN', member(ADMIN, USER, 'invite')],
    ['not somebody who is banned', 'M_FORBIDDEN', member(ADMIN, OTHER, 'invite'), joinedAs('ban')],
  ])('%s', (_title, expected, event, room) => {
    expect(allows(event, room)).toBe(expected);
  });
});

describe('authorise: leaving, removing, banning', () => {
  it.each<[string, true | string, AuthEvent, Room?]>([
    ['a member leaves', true, member(USER, USER, 'leave')],
    ['an invite is turned down', true, member(OTHER, OTHER, 'leave'), joinedAs('invite')],
    ['a knock is taken back', true, member(OTHER, OTHER, 'leave'), joinedAs('knock')],
    ['a banned user does not lift the ban by leaving', 'M_FORBIDDEN', member(OTHER, OTHER, 'leave'), joinedAs('ban')],
    ['a stranger has nothing to leave', 'M_FORBIDDEN', member(OTHER, OTHER, 'leave')],
    ['a moderator removes a user', true, member(MOD, USER, 'leave')],
    ['a user removes nobody', 'M_FORBIDDEN', member(USER, OTHER, 'leave'), joinedAs('join')],
    [
      'a moderator does not remove an equal',
      'M_FORBIDDEN',
      member(MOD, OTHER, 'leave'),
      { levels: { ...LEVELS, users: { [MOD]: 50, [OTHER]: 50 } }, ...joinedAs('join') },
    ],
    ['a moderator who left removes nobody', 'M_FORBIDDEN', member(MOD, USER, 'leave'), { members: { [MOD]: 'leave' } }],
    ['a moderator bans a user', true, member(MOD, USER, 'ban')],
    ['and somebody who was never there', true, member(MOD, OTHER, 'ban')],
    ['a user bans nobody', 'M_FORBIDDEN', member(USER, OTHER, 'ban')],
    ['a moderator does not ban an admin', 'M_FORBIDDEN', member(MOD, ADMIN, 'ban')],
    [
      'a stranger bans nobody',
      'M_FORBIDDEN',
      member(OTHER, USER, 'ban'),
      { levels: { ...LEVELS, users: { [OTHER]: 100 } } },
    ],
    ['a moderator lifts a ban', true, member(MOD, OTHER, 'leave'), joinedAs('ban')],
    [
      'who may remove but not ban does not lift it',
      'M_FORBIDDEN',
      member(MOD, OTHER, 'leave'),
      { levels: { ...LEVELS, ban: 60 }, ...joinedAs('ban') },
    ],
    [
      'who may ban but not remove does not lift it',
      'M_FORBIDDEN',
      member(MOD, OTHER, 'leave'),
      { levels: { ...LEVELS, kick: 60 }, ...joinedAs('ban') },
    ],
  ])('%s', (_title, expected, event, room) => {
    expect(allows(event, room)).toBe(expected);
  });
});

describe('authorise: knocking', () => {
  it.each<[string, true | string, AuthEvent, Room?]>([
    ['where the rule says so', true, member(OTHER, OTHER, 'knock'), { joinRule: 'knock' }],
    ['also where it is restricted', true, member(OTHER, OTHER, 'knock'), { joinRule: 'knock_restricted' }],
    ['not elsewhere', 'M_FORBIDDEN', member(OTHER, OTHER, 'knock')],
    ['not for somebody else', 'M_FORBIDDEN', member(USER, OTHER, 'knock'), { joinRule: 'knock' }],
    ['not when banned', 'M_FORBIDDEN', member(OTHER, OTHER, 'knock'), { joinRule: 'knock', ...joinedAs('ban') }],
    ['not when invited', 'M_FORBIDDEN', member(OTHER, OTHER, 'knock'), { joinRule: 'knock', ...joinedAs('invite') }],
    ['not when in', 'M_FORBIDDEN', member(USER, USER, 'knock'), { joinRule: 'knock' }],
  ])('%s', (_title, expected, event, room) => {
    expect(allows(event, room)).toBe(expected);
  });

  it('refuses member events of the wrong shape', () => {
    expect(allows(member(USER, USER, 'dance'))).toBe('M_BAD_JSON');
    expect(allows({ ...member(USER, USER, 'leave'), content: {} })).toBe('M_BAD_JSON');
    expect(allows({ ...member(USER, USER, 'leave'), stateKey: null })).toBe('M_BAD_JSON');
  });
});

describe('authorise: sending', () => {
  it.each<[string, true | string, AuthEvent, Room?]>([
    ['a member sends a message', true, message(USER)],
    ['a stranger does not', 'M_FORBIDDEN', message(OTHER)],
    ['nor does somebody who is only invited', 'M_FORBIDDEN', message(OTHER), joinedAs('invite')],
    ['a muted member does not', 'M_FORBIDDEN', message(USER), { levels: { ...LEVELS, events_default: 10 } }],
    ['a type may need its own power', 'M_FORBIDDEN', message(USER, 'x'), { levels: { ...LEVELS, events: { x: 1 } } }],
    ['or less than others', true, message(USER, 'x'), { levels: { ...LEVELS, events_default: 10, events: { x: 0 } } }],
    ['a moderator sets state', true, state(MOD, 'm.room.topic')],
    ['a user does not', 'M_FORBIDDEN', state(USER, 'm.room.topic')],
    [
      'unless the type allows it',
      true,
      state(USER, 'm.room.topic'),
      { levels: { ...LEVELS, events: { 'm.room.topic': 0 } } },
    ],
    [
      "a state key that is an id is its owner's",
      true,
      state(USER, 'x', {}, USER),
      { levels: { ...LEVELS, state_default: 0 } },
    ],
    ["and nobody else's", 'M_FORBIDDEN', state(ADMIN, 'x', {}, USER)],
    ['a room is created once', 'M_FORBIDDEN', state(ADMIN, 'm.room.create')],
    ['without a default, state needs 50', 'M_FORBIDDEN', state(USER, 'x'), { levels: { users: { [MOD]: 50 } } }],
    ['which is enough', true, state(MOD, 'x'), { levels: { users: { [MOD]: 50 } } }],
    ['without a default, messages need nothing', true, message(USER), { levels: { users: { [MOD]: 50 } } }],
    ['the default of users counts', true, state(USER, 'x'), { levels: { users_default: 50 } }],
    ['without one, banning needs 50', 'M_FORBIDDEN', member(MOD, OTHER, 'ban'), { levels: { users: { [MOD]: 49 } } }],
    ['without one, inviting needs nothing', true, member(USER, OTHER, 'invite'), { levels: { users: {} } }],
    ['without power levels the creator has 100', true, member(ADMIN, USER, 'leave'), { levels: null }],
    ['and others may set state, but remove nobody', 'M_FORBIDDEN', member(USER, MOD, 'leave'), { levels: null }],
    ['indeed they may', true, state(USER, 'm.room.topic'), { levels: null }],
    [
      'third-party invites need the power to invite',
      'M_FORBIDDEN',
      state(USER, 'm.room.third_party_invite'),
      { levels: { ...LEVELS, invite: 1 } },
    ],
    ['and no more', true, state(USER, 'm.room.third_party_invite')],
  ])('%s', (_title, expected, event, room) => {
    expect(allows(event, room)).toBe(expected);
  });
});

describe('authorise: power levels', () => {
  const change = (sender: UserId, next: JsonObject, before: JsonObject = LEVELS): true | string =>
    allows(state(sender, 'm.room.power_levels', next), { levels: { ...before, events: { 'm.room.power_levels': 0 } } });
  const users = (levels: JsonObject): JsonObject => ({
    ...LEVELS,
    events: { 'm.room.power_levels': 0 },
    users: levels,
  });
  const same = { ...LEVELS, events: { 'm.room.power_levels': 0 } };

  it.each<[string, true | string, UserId, JsonObject]>([
    ['nothing changes', true, USER, same],
    ['a moderator gives their own level', true, MOD, users({ [ADMIN]: 100, [MOD]: 50, [USER]: 50 })],
    ['but no more than it', 'M_FORBIDDEN', MOD, users({ [ADMIN]: 100, [MOD]: 50, [USER]: 51 })],
    ['nor takes it themselves', 'M_FORBIDDEN', MOD, users({ [ADMIN]: 100, [MOD]: 51 })],
    ['a moderator steps down', true, MOD, users({ [ADMIN]: 100, [MOD]: 0 })],
    ['a moderator does not lower an admin', 'M_FORBIDDEN', MOD, users({ [ADMIN]: 0, [MOD]: 50 })],
    ['nor leave them out', 'M_FORBIDDEN', MOD, users({ [MOD]: 50 })],
    ['an admin lowers a moderator', true, ADMIN, users({ [ADMIN]: 100 })],
    ['a user changes no default above their own', 'M_FORBIDDEN', USER, { ...same, ban: 0 }],
    ['nor raises one', 'M_FORBIDDEN', USER, { ...same, invite: 50 }],
    ['nor leaves one out', 'M_FORBIDDEN', USER, { ...same, state_default: undefined }],
    ['a moderator changes what is within their power', true, MOD, { ...same, ban: 40, kick: 50, redact: 0 }],
    ['but not beyond', 'M_FORBIDDEN', MOD, { ...same, ban: 51 }],
    ['events have the same bounds', 'M_FORBIDDEN', MOD, { ...same, events: { 'm.room.power_levels': 0, x: 51 } }],
    ['notifications, too', 'M_FORBIDDEN', USER, { ...same, notifications: { room: 1 } }],
    ['within them all is fine', true, MOD, { ...same, notifications: { room: 50 }, events: { x: 50 } }],
  ])('%s', (_title, expected, sender, next) => {
    expect(change(sender, next)).toBe(expected);
  });

  it('an equal cannot be lowered by an equal', () => {
    const two = { ...LEVELS, users: { [MOD]: 50, [USER]: 50 } };
    expect(change(MOD, { ...same, users: { [MOD]: 50 } }, two)).toBe('M_FORBIDDEN');
  });

  it.each<[JsonObject]>([
    [{ ban: '50' }],
    [{ ban: 1.5 }],
    [{ users: { [USER]: '1' } }],
    [{ users: { nobody: 1 } }],
    [{ users: [] }],
    [{ events: { x: null } }],
    [{ notifications: 5 }],
  ])('refuses levels that are not whole numbers in the right places: %j', (next) => {
    expect(change(ADMIN, next)).toBe('M_BAD_JSON');
  });
});

describe('authoriseRedaction', () => {
  const levels = (): RoomState['powerLevels'] => {
    const state = new RoomState();
    state.set('m.room.power_levels', '', { sender: ADMIN, content: LEVELS });
    return state.powerLevels;
  };

  it('lets everybody redact their own events, and moderators those of others', () => {
    expect(() => authoriseRedaction(USER, USER, levels())).not.toThrow();
    expect(() => authoriseRedaction(MOD, ADMIN, levels())).not.toThrow();
  });

  it('lets nobody else', () => {
    expect(() => authoriseRedaction(USER, OTHER, levels())).toThrow(/not enough power/);
  });
});
