import { describe, expect, it } from 'vitest';
import { createContent, parseRoomVersion, redactContent, redactionContent } from './room-versions.ts';

describe('parseRoomVersion', () => {
  it('knows 10 and 11 and says so', () => {
    expect(parseRoomVersion('10')).toBe('10');
    expect(parseRoomVersion('11')).toBe('11');
    expect(() => parseRoomVersion('9')).toThrow(expect.objectContaining({ errcode: 'M_UNSUPPORTED_ROOM_VERSION' }));
    expect(() => parseRoomVersion('')).toThrow(/'10' or '11'/);
  });
});

describe('createContent', () => {
  it('names the creator in version 10 only, and never believes the client about either', () => {
    const given = { 'm.federate': false, creator: '@evil:test', room_version: '3' };
    expect(createContent('10', '@a:test', given)).toEqual({
      'm.federate': false,
      room_version: '10',
      creator: '@a:test',
    });
    expect(createContent('11', '@a:test', given)).toEqual({ 'm.federate': false, room_version: '11' });
  });
});

describe('redactionContent', () => {
  it('says in version 11 what it redacts', () => {
    expect(redactionContent('10', '$x', 'why')).toEqual({ reason: 'why' });
    expect(redactionContent('11', '$x', undefined)).toEqual({ redacts: '$x' });
  });
});

describe('redactContent', () => {
  const levels = { ban: 1, invite: 2, users: {}, other: 3, notifications: {} };

  it.each([
    ['10', 'm.room.message', { body: 'x' }, {}],
    ['10', 'm.room.member', { membership: 'join', displayname: 'x' }, { membership: 'join' }],
    ['10', 'm.room.create', { creator: '@a:test', x: 1 }, { creator: '@a:test' }],
    ['11', 'm.room.create', { x: 1 }, { x: 1 }],
    ['10', 'm.room.power_levels', levels, { ban: 1, users: {} }],
    ['11', 'm.room.power_levels', levels, { ban: 1, invite: 2, users: {} }],
    ['11', 'm.room.join_rules', { join_rule: 'restricted', allow: [], x: 1 }, { join_rule: 'restricted', allow: [] }],
    ['11', 'm.room.history_visibility', { history_visibility: 'joined', x: 1 }, { history_visibility: 'joined' }],
    ['10', 'm.room.redaction', { redacts: '$x', reason: 'r' }, {}],
    ['11', 'm.room.redaction', { redacts: '$x', reason: 'r' }, { redacts: '$x' }],
    [
      '11',
      'm.room.member',
      { membership: 'invite', third_party_invite: { signed: 1, x: 2 } },
      { membership: 'invite', third_party_invite: { signed: 1 } },
    ],
    ['11', 'toString', { a: 1 }, {}],
  ] as const)('version %s, %s', (version, type, content, left) => {
    expect(redactContent(version, type, content)).toEqual(left);
  });
});
