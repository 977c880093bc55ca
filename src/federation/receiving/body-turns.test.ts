import { expect, it } from 'vitest';
import { BodyTurns } from './body-turns.ts';

/** A loop whose turns the test makes; `began` has what was let through, in order. */
function start() {
  const scheduled: (() => void)[] = [];
  const began: string[] = [];
  const turns = new BodyTurns({
    schedule: (callback) => scheduled.push(callback),
    bytesPerTurn: 100,
    leastBytes: 10,
  });
  const take = (name: string, bytes: number): void => {
    const turn = turns.take(name.slice(0, 1), bytes);
    if (turn === undefined) began.push(name);
    else void turn.then(() => began.push(name)).catch((error: unknown) => expect.fail(String(error)));
  };
  const next = async (): Promise<string[]> => {
    began.length = 0;
    for (const callback of scheduled.splice(0)) callback();
    await Promise.resolve();
    return [...began];
  };
  return { turns, take, next, began, scheduled: () => scheduled.length };
}

it('lets through what is little at once, and the rest in turns', async () => {
  const { turns, take, next, began, scheduled } = start();
  for (let i = 0; i < 12; i++) take(`a${i}`, 1);
  expect(began).toEqual(['a0', 'a1', 'a2', 'a3', 'a4', 'a5', 'a6', 'a7', 'a8', 'a9']);
  expect(await next()).toEqual(['a10', 'a11']);
  take('a12', 80);
  take('a13', 1);
  expect(began).toEqual(['a10', 'a11', 'a12']);
  expect(await next()).toEqual(['a13']);
  expect([await next(), scheduled(), turns.size]).toEqual([[], 0, 0]);
});

it('works on one large body in a turn, however large', async () => {
  const { take, next, began } = start();
  take('a0', 5_000);
  take('a1', 5_000);
  take('a2', 60);
  take('a3', 60);
  expect(began).toEqual(['a0']);
  expect([await next(), await next(), await next()]).toEqual([['a1'], ['a2', 'a3'], []]);
});

it('takes addresses by turns', async () => {
  const { take, next } = start();
  for (let i = 0; i < 4; i++) take(`a${i}`, 200);
  take('b0', 200);
  take('c0', 200);
  take('b1', 200);
  const order = [await next(), await next(), await next(), await next(), await next(), await next()].flat();
  expect(order).toEqual(['a1', 'b0', 'c0', 'a2', 'b1', 'a3']);
});
