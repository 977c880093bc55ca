import { expect, it } from 'vitest';
import { ManualClock } from '../adapters/memory/manual-clock.ts';
import { InvalidationPace } from './invalidation-pace.ts';

it('remembers only who has been invalidated lately', async () => {
  const clock = new ManualClock();
  const asked: string[] = [];
  const pace = new InvalidationPace(clock, (source) => void asked.push(source));
  for (let n = 0; n < 5_000; n++) pace.request(`@u${n}:test`);
  expect(asked.length).toBe(5_000);
  await clock.advance(200);
  for (let n = 0; n < 5_000; n++) pace.request(`@v${n}:test`);
  expect(pace.size).toBeLessThan(8_000);
  await clock.advance(200);
  for (let n = 0; n < 20_000; n++) {
    pace.request(`@w${n}:test`);
    if (n % 100 === 0) await clock.advance(50);
  }
  expect(pace.size).toBeLessThan(1_500);
  expect(asked.length).toBe(30_000);
});
