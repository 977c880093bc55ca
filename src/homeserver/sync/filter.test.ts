import { describe, expect, it } from 'vitest';
import { DEFAULT_FILTER, acceptsEvent, parseFilter, parseFilterText } from './filter.ts';
import { compilePatterns } from './wildcard.ts';

describe('wildcards', () => {
  it.each([
    ['m.presence', 'm.presence', true],
    ['m.presence', 'm.presence2', false],
    ['m.*', 'm.presence', true],
    ['m.*', 'x.m.presence', false],
    ['*', '', true],
    ['*.presence', 'm.presence', true],
    ['m.*.b', 'm..b', true],
    ['m.*.b', 'm.b', false],
    ['a*a', 'a', false],
    ['*a*b*', 'xxaxxbxx', true],
    ['*a*b*', 'xxbxxaxx', false],
    ['a*b*b', 'abb', true],
    ['a*b*b', 'ab', false],
    ['m.presenc?', 'm.presence', false],
    ['', '', true],
  ])('%j matches %j: %s', (pattern, text, expected) => {
    expect(compilePatterns([pattern])(text)).toBe(expected);
    expect(compilePatterns(['other', pattern, 'x*y'])(text)).toBe(expected);
  });

  it('stays quick with many stars', () => {
    const matches = compilePatterns([`${'*a'.repeat(5000)}*b`]);
    expect(matches('a'.repeat(20_000))).toBe(false);
  });
});

describe('filter', () => {
  it('wants everything when it says nothing', () => {
    expect(DEFAULT_FILTER.presence).toEqual({ isEmpty: false, acceptsSender: null, limit: null });
    expect(DEFAULT_FILTER.room.includeLeave).toBe(false);
    expect(acceptsEvent(DEFAULT_FILTER.room.timeline, { type: 'x', sender: '@a:test', content: {} })).toBe(true);
  });

  it.each([
    { types: [] },
    { senders: [] },
    { not_types: ['*'] },
    { not_senders: ['*'] },
    { not_types: ['m.presence'] },
    { not_types: ['m.*'] },
    { types: ['m.room.*'] },
    { types: ['m.*'], not_types: ['m.pres*'] },
    { limit: 0 },
  ])('row 175: %j wants no presence', (presence) => {
    expect(parseFilter({ presence }).presence.isEmpty).toBe(true);
  });

  it.each([{}, { types: ['m.presence'] }, { types: ['m.*'] }, { types: ['*'] }, { not_types: ['m.typing'] }])(
    'row 177: %j wants presence',
    (presence) => {
      expect(parseFilter({ presence }).presence).toMatchObject({ isEmpty: false, acceptsSender: null });
    },
  );

  it('row 176: picks senders, their negations and patterns; not_senders wins', () => {
    const { acceptsSender } = parseFilter({
      presence: { senders: ['@b:test', '@kiosk-*:test'], not_senders: ['@kiosk-7:test', '*:elsewhere'] },
    }).presence;
    expect(['@b:test', '@kiosk-1:test', '@kiosk-7:test', '@c:test'].filter((id) => acceptsSender?.(id))).toEqual([
      '@b:test',
      '@kiosk-1:test',
    ]);
  });

  it('picks room events by type, sender, url, and rooms by id', () => {
    const { room } = parseFilter({
      room: {
        rooms: ['!a:test', '!b:test'],
        not_rooms: ['!b:test'],
        include_leave: true,
        timeline: { limit: 5000, types: ['m.room.*'], contains_url: true },
        state: { lazy_load_members: true },
      },
    });
    expect(['!a:test', '!b:test', '!c:test'].filter((id) => room.acceptsRoom?.(id))).toEqual(['!a:test']);
    expect(room.includeLeave).toBe(true);
    expect(room.timeline.limit).toBe(1000);
    expect(room.state.lazyLoadMembers).toBe(true);
    const event = { type: 'm.room.message', sender: '@a:test', content: { url: 'mxc://x/y' } };
    expect(acceptsEvent(room.timeline, event)).toBe(true);
    expect(acceptsEvent(room.timeline, { ...event, content: {} })).toBe(false);
    expect(acceptsEvent(room.timeline, { ...event, type: 'm.reaction' })).toBe(false);
  });

  it.each([
    ['filter.presence', { presence: 'not_an_object' }],
    ['filter.presence', { presence: null }],
    ['filter.presence.types', { presence: { types: 'm.presence' } }],
    ['filter.presence.types.0', { presence: { types: [{}] } }],
    ['filter.presence.senders.0', { presence: { senders: ['not_a_user_id'] } }],
    ['filter.presence.not_senders.1', { presence: { not_senders: ['@a:test', 5] } }],
    ['filter.presence.limit', { presence: { limit: -1 } }],
    ['filter.presence.limit', { presence: { limit: 1.5 } }],
    ['filter.presence.limit', { presence: { limit: '1' } }],
    ['filter.room', { room: [] }],
    ['filter.room.rooms', { room: { rooms: '!a:test' } }],
    ['filter.room.timeline', { room: { timeline: 'x' } }],
    ['filter.room.timeline.rooms.0', { room: { timeline: { rooms: ['not_a_room_id'] } } }],
    ['filter.room.state.lazy_load_members', { room: { state: { lazy_load_members: 1 } } }],
    ['filter.room.include_leave', { room: { include_leave: 'yes' } }],
    ['filter.event_format', { event_format: 'xml' }],
    ['filter.event_fields', { event_fields: 'type' }],
    ['The filter', []],
    ['The filter', 'x'],
    ['The filter', null],
  ])('row 179: names %s when it is wrong', (where, definition) => {
    expect(() => parseFilter(definition)).toThrow(
      expect.objectContaining({
        httpStatus: 400,
        errcode: 'M_BAD_JSON',
        message: expect.stringContaining(`${where}:`),
      }),
    );
  });

  it('row 179: tells text that is no JSON apart', () => {
    expect(() => parseFilterText('{"presence":')).toThrow(
      expect.objectContaining({ httpStatus: 400, errcode: 'M_NOT_JSON' }),
    );
  });
});
