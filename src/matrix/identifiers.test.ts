/** Identifier grammar, at the edges of its limits. */
import { describe, expect, it } from 'vitest';
import { isRoomId, isServerName, isUserId, localpartOf, serverNameOf } from './identifiers.ts';

describe('isUserId', () => {
  it.each([
    '@a:b',
    '@alice:example.org',
    '@alice:example.org:8448',
    '@a:[::1]:80',
    '@Ünïcode:host',
    '@a:b.c',
    '@with:colon',
  ])('accepts %s', (id) => expect(isUserId(id)).toBe(true));

  it.each([
    '',
    '@',
    'alice',
    '@alice',
    'alice:host',
    '@:host',
    '@alice:',
    '@alice:ho st',
    '@a\0b:host',
    '@alice:host:port',
    5,
    null,
    undefined,
    {},
  ])('refuses %j', (id) => expect(isUserId(id)).toBe(false));

  it('counts bytes, not characters, up to 255', () => {
    expect(isUserId(`@${'a'.repeat(252)}:h`)).toBe(true);
    expect(isUserId(`@${'a'.repeat(253)}:h`)).toBe(false);
    expect(isUserId(`@${'é'.repeat(126)}:h`)).toBe(true);
    expect(isUserId(`@${'é'.repeat(127)}:h`)).toBe(false);
    expect(isUserId(`@${'😀'.repeat(63)}:h`)).toBe(true);
    expect(isUserId(`@${'😀'.repeat(64)}:h`)).toBe(false);
  });
});

it('splits a user id at the first colon', () => {
  expect(localpartOf('@alice:example.org:8448')).toBe('alice');
  expect(serverNameOf('@alice:example.org:8448')).toBe('example.org:8448');
});

it.each(['localhost', 'example.org', 'example.org:8448', '1.2.3.4', '[2001:db8::1]', '[::1]:8448'])(
  'accepts server name %s',
  (name) => expect(isServerName(name)).toBe(true),
);
it.each(['', 'exa mple', 'host:', 'host:123456', '[::1', 'ho/st', '-'.repeat(300), 7])(
  'refuses server name %j',
  (name) => expect(isServerName(name)).toBe(false),
);

it('knows room ids by their sigil and length', () => {
  expect(isRoomId('!abc:host')).toBe(true);
  expect(isRoomId('!abc')).toBe(true);
  expect(isRoomId('!')).toBe(false);
  expect(isRoomId('#abc:host')).toBe(false);
  expect(isRoomId(`!${'a'.repeat(255)}`)).toBe(false);
});
