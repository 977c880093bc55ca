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

it('keeps nothing of a server whose last user is forgotten, and mixes it up with no other', () => {
  const users = new UserTable('own');
  users.intern('@a:own');
  for (let index = 0; index < 1_000; index++) {
    const uid = users.intern(`@a:s${index}`);
    users.setStatusMsg(uid, 'hello');
    const mate = users.intern(`@b:s${index}`);
    users.retire(uid);
    expect([users.servers.name(users.server[mate] as number), users.guests(`s${index}`)]).toEqual([`s${index}`, 1]);
    users.retire(mate);
    for (const number of [uid, mate]) users.ids.reuse(number);
  }
  expect([users.servers.size, users.servers.bound, users.guests(), users.remoteStatusChars()]).toEqual([1, 2, 0, 0]);
  users.retire(users.ids.find('@a:own'));
  expect(users.isLocal(users.intern('@c:own'))).toBe(true);
});
