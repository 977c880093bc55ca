/**
 * Server names, by the grammar.
 */
import { expect, it } from 'vitest';
import { hostAndPort, serverNameParts } from './server-name-parts.ts';

it.each([
  ['example.org', { host: 'example.org', port: null, family: 0 }],
  ['example.org:8888', { host: 'example.org', port: 8888, family: 0 }],
  ['1.2.3.4', { host: '1.2.3.4', port: null, family: 4 }],
  ['1.2.3.4:1234', { host: '1.2.3.4', port: 1234, family: 4 }],
  ['[1234:5678::abcd]', { host: '1234:5678::abcd', port: null, family: 6 }],
  ['[1234:5678::abcd]:5678', { host: '1234:5678::abcd', port: 5678, family: 6 }],
  ['[::ffff:1.2.3.4]:1', { host: '::ffff:1.2.3.4', port: 1, family: 6 }],
  // Four numbers that are no address are a name, which nobody has.
  ['1.2.3.256', { host: '1.2.3.256', port: null, family: 0 }],
  ['1234:5678::abcd', null],
  ['[1.2.3.4]', null],
  ['[::1', null],
  ['[g::1]', null],
  ['example.org:', null],
  ['example.org:0', null],
  ['example.org:65536', null],
  ['example.org:08448x', null],
  ['exa mple.org', null],
  ['..', null],
  ['', null],
])('%j', (name, expected) => {
  expect(serverNameParts(name)).toEqual(expected);
});

it('puts brackets around addresses that need them', () => {
  expect(hostAndPort('::1', 443)).toBe('[::1]:443');
  expect(hostAndPort('1.2.3.4', 443)).toBe('1.2.3.4:443');
});
