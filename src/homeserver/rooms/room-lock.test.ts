import { describe, expect, it } from 'vitest';
import { RoomLock } from './room-lock.ts';

function gate(): { readonly promise: Promise<void>; readonly open: () => void } {
  let open: () => void = () => undefined;
  const promise = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { promise, open };
}

describe('RoomLock', () => {
  it('lets one at a time into a room, in order, and rooms beside each other', async () => {
    const lock = new RoomLock();
    const log: string[] = [];
    const first = gate();
    const work = (name: string, wait: Promise<void>) => async () => {
      log.push(`${name} in`);
      await wait;
      log.push(`${name} out`);
    };
    const all = [
      lock.run('!a:test', work('a1', first.promise)),
      lock.run('!a:test', work('a2', Promise.resolve())),
      lock.run('!b:test', work('b1', Promise.resolve())),
    ];
    await all[2];
    expect(log).toEqual(['a1 in', 'b1 in', 'b1 out']);
    first.open();
    await Promise.all(all);
    expect(log.slice(3)).toEqual(['a1 out', 'a2 in', 'a2 out']);
    expect(lock.size).toBe(0);
  });

  it('goes on after a failure, which only its caller hears of', async () => {
    const lock = new RoomLock();
    const failed = lock.run('!a:test', () => Promise.reject(new Error('no')));
    const next = lock.run('!a:test', () => Promise.resolve('yes'));
    await expect(failed).rejects.toThrow('no');
    expect(await next).toBe('yes');
    expect(lock.size).toBe(0);
  });

  it('tells the thousand-and-first to come back later', async () => {
    const lock = new RoomLock();
    const door = gate();
    const waiting = Array.from({ length: 1_000 }, () => lock.run('!a:test', () => door.promise));
    expect(() => lock.run('!a:test', () => door.promise)).toThrow(
      expect.objectContaining({ httpStatus: 429, errcode: 'M_LIMIT_EXCEEDED' }),
    );
    await lock.run('!b:test', () => Promise.resolve());
    door.open();
    await Promise.all(waiting);
    await lock.run('!a:test', () => Promise.resolve());
  });
});
