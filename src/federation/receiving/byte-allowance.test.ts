import { expect, it } from 'vitest';
import { ManualClock } from '../../adapters/memory/manual-clock.ts';
import { ByteAllowance } from './byte-allowance.ts';

it('counts large bodies of an address, and lets in more as time goes by', async () => {
  const clock = new ManualClock();
  const allowance = new ByteAllowance({
    clock,
    uncountedBytes: 10,
    burstBytes: 100,
    bytesPerSecond: 20,
    maxAddresses: 2,
  });
  const refused = (retry_after_ms: number) => expect.objectContaining({ httpStatus: 429, extras: { retry_after_ms } });
  allowance.take('a', 60);
  allowance.take('a', 40);
  expect(() => allowance.take('a', 11)).toThrow(refused(550));
  for (let i = 0; i < 100; i++) allowance.take('a', 10);
  allowance.take('b', 100);
  await clock.advance(549);
  expect(() => allowance.take('a', 11)).toThrow(refused(1));
  await clock.advance(1);
  allowance.take('a', 11);
  expect(() => allowance.take('a', 11)).toThrow(refused(550));
  await clock.advance(60_000);
  allowance.take('a', 100);
  allowance.take('c', 100);
  expect(allowance.size).toBe(2);
});
