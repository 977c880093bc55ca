import { expect, it } from 'vitest';
import { UserTable } from './user-table.ts';

it('tells servers apart, however many there are', () => {
  const users = new UserTable('own');
  const first = users.intern('@a:s0');
  for (let index = 1; index < 70_000; index++) users.intern(`@a:s${index}`);
  const last = users.intern('@b:s69999');
  expect(users.isLocal(users.intern('@a:own'))).toBe(true);
  expect(users.isLocal(first) || users.isLocal(last)).toBe(false);
  expect(users.servers.name(users.server[first] as number)).toBe('s0');
  expect(users.servers.name(users.server[last] as number)).toBe('s69999');
});

it('gives released numbers out again', () => {
  const { ids } = new UserTable('own');
  const number = ids.intern('@a:own');
  ids.intern('@b:own');
  ids.release(number);
  expect(ids.find('@a:own')).toBe(-1);
  expect(ids.intern('@c:own')).toBe(number);
  expect([ids.name(number), ids.size, ids.bound]).toEqual(['@c:own', 2, 2]);
});
