import { describe, expect, it } from 'vitest';
import { collectPresence, type PresenceEduOptions } from './presence-edu.ts';

const ORIGIN = 'remote.example:8448';
const NOW = 1_800_000_000_000;
const options: PresenceEduOptions = { busyEnabled: false, maxStatusMsgBytes: 10, maxEntries: 100 };
const Q = `@q:${ORIGIN}`;

const collect = (push: unknown, more: Partial<PresenceEduOptions> = {}) =>
  collectPresence(ORIGIN, [{ push }], NOW, { ...options, ...more });
const one = (entry: Record<string, unknown>, more: Partial<PresenceEduOptions> = {}) => {
  const { entries, dropped } = collect([{ user_id: Q, presence: 'online', ...entry }], more);
  return entries[0] ?? [...dropped.keys()][0];
};

describe('collectPresence', () => {
  it('takes every member of an entry', () => {
    const entry = { presence: 'unavailable', last_active_ago: 50_000, status_msg: 'here', currently_active: true };
    expect(one(entry)).toEqual({
      userId: Q,
      state: 'unavailable',
      statusMsg: 'here',
      lastActiveTs: NOW - 50_000,
      currentlyActive: true,
    });
  });

  it('takes an entry without its optional members, or with null for them', () => {
    const plain = { userId: Q, state: 'online', statusMsg: null, lastActiveTs: null, currentlyActive: false };
    expect(one({})).toEqual(plain);
    expect(one({ last_active_ago: null, status_msg: null, currently_active: null, unknown: 5 })).toEqual(plain);
  });

  it('takes of one origin only, port included', () => {
    const others = [
      '@q:remote.example',
      '@q:other',
      '@q:remote.example:8449',
      '@q:REMOTE.example:8448',
      '@q:x@remote.example:8448',
    ];
    const { entries, dropped } = collect([...others, Q].map((user_id) => ({ user_id, presence: 'online' })));
    expect(entries.map(({ userId }) => userId)).toEqual([Q]);
    expect([...dropped]).toEqual([
      ['foreign', 4],
      ['user_id', 1],
    ]);
  });

  it.each([
    undefined,
    null,
    '',
    5,
    'nocolon',
    '@:remote.example:8448',
    'q:remote.example:8448',
    ['@q'],
    `@a\0b:${ORIGIN}`,
    `@\ud800:${ORIGIN}`,
    `@${'q'.repeat(300)}:${ORIGIN}`,
  ])('leaves out the user id %j', (user_id) => expect(one({ user_id })).toBe('user_id'));

  it.each([
    undefined,
    null,
    '',
    'weird',
    'ONLINE',
    5,
    ['online'],
    { a: 1 },
    'org.matrix.msc3026.busy',
    'busy',
    'toString',
  ])('leaves out the state %j', (presence) => expect(one({ presence })).toBe('presence'));

  it('takes busy where it is enabled', () => {
    expect(one({ presence: 'org.matrix.msc3026.busy' }, { busyEnabled: true })).toHaveProperty(
      'state',
      'org.matrix.msc3026.busy',
    );
    expect(one({ presence: 'busy' }, { busyEnabled: true })).toBe('presence');
  });

  it.each(['5', 0.5, 1e300, 2 ** 53, Number.POSITIVE_INFINITY, Number.NaN, true, [5], {}])(
    'leaves out last_active_ago %j',
    (last_active_ago) => expect(one({ last_active_ago })).toBe('last_active_ago'),
  );

  it.each([
    [0, NOW],
    [-0, NOW],
    [-1, NOW],
    [-(2 ** 52), NOW],
    [1, NOW - 1],
    [NOW, 0],
    [NOW + 1, 0],
    [2 ** 53 - 1, 0],
  ])('takes last_active_ago %d as a time between 1970 and now', (last_active_ago, lastActiveTs) => {
    expect(one({ last_active_ago })).toHaveProperty('lastActiveTs', lastActiveTs);
  });

  it('takes a status message up to the limit in bytes, and leaves out an entry with a longer one', () => {
    for (const status_msg of ['', 'x'.repeat(10), 'é'.repeat(5), '😀😀ab']) {
      expect(one({ status_msg })).toHaveProperty('statusMsg', status_msg);
    }
    for (const status_msg of ['x'.repeat(11), `${'é'.repeat(5)}x`, '😀😀abc', 5, false, ['x'], {}, '\ud800']) {
      expect(one({ status_msg }), JSON.stringify(status_msg)).toBe('status_msg');
    }
  });

  it.each(['true', 1, 0, [], {}])('leaves out currently_active %j', (currently_active) =>
    expect(one({ currently_active })).toBe('currently_active'),
  );

  it('leaves out what is not an entry, and keeps those around it', () => {
    const good = (name: string) => ({ user_id: `@${name}:${ORIGIN}`, presence: 'online' });
    const { entries, dropped } = collect([good('a'), null, 5, 'x', [], [good('z')], good('b'), { presence: 'online' }]);
    expect(entries.map(({ userId }) => userId)).toEqual([`@a:${ORIGIN}`, `@b:${ORIGIN}`]);
    expect([...dropped]).toEqual([
      ['malformed', 5],
      ['user_id', 1],
    ]);
  });

  it('has nothing for an EDU without entries, and leaves out one whose list is none', () => {
    const contents = [{}, { push: [] }, { push: null }, null, undefined, 5, [], { push: {} }, { push: 'x' }];
    const { entries, dropped } = collectPresence(ORIGIN, contents, NOW, options);
    expect(entries).toEqual([]);
    expect([...dropped]).toEqual([['malformed', 6]]);
  });

  it('lets the last good entry of a user win, over all EDUs', () => {
    const entry = (name: string, presence: string) => ({ user_id: `@${name}:${ORIGIN}`, presence });
    const first = { push: [entry('a', 'online'), entry('b', 'online'), entry('a', 'unavailable')] };
    const second = { push: [entry('a', 'offline'), entry('a', 'weird')] };
    const { entries, dropped } = collectPresence(ORIGIN, [first, second], NOW, options);
    expect(entries.map(({ userId, state }) => [userId, state])).toEqual([
      [`@b:${ORIGIN}`, 'online'],
      [`@a:${ORIGIN}`, 'offline'],
    ]);
    expect([...dropped]).toEqual([
      ['superseded', 2],
      ['presence', 1],
    ]);
  });

  it('looks at so many entries, good or bad, over all EDUs', () => {
    const push = (names: string) => ({
      push: names.split('').map((name) => ({ user_id: `@${name}:${ORIGIN}`, presence: 'online' })),
    });
    const contents = [push('ab'), { push: [null] }, push('cde'), push('f')];
    const { entries, dropped } = collectPresence(ORIGIN, contents, NOW, { ...options, maxEntries: 4 });
    expect(entries.map(({ userId }) => userId[1])).toEqual(['a', 'b', 'c']);
    expect(dropped.get('limit')).toBe(3);
    expect(collectPresence(ORIGIN, contents, NOW, { ...options, maxEntries: 7 }).dropped.get('limit')).toBeUndefined();
  });

  it('is not led astray by names of JavaScript', () => {
    const entry: unknown = JSON.parse(`{"__proto__":{"presence":"online"},"user_id":"${Q}"}`);
    expect([...collect([entry]).dropped]).toEqual([['presence', 1]]);
  });
});
