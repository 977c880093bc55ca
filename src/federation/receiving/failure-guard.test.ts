import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../adapters/memory/manual-clock.ts';
import { FailureGuard } from './failure-guard.ts';

const HERE = '192.0.2.1';

function setUp(maxKeys = 100) {
  const clock = new ManualClock();
  return { clock, guard: new FailureGuard({ clock, burst: 5, perSecond: 1, maxKeys }) };
}

const limited = (retryAfterMs: number) =>
  expect.objectContaining({ httpStatus: 429, errcode: 'M_LIMIT_EXCEEDED', extras: { retry_after_ms: retryAfterMs } });

describe('FailureGuard', () => {
  it('lets one address fail so often, whatever names it claims, and others none the less', async () => {
    const { clock, guard } = setUp();
    for (let i = 0; i < 5; i++) guard.begin(HERE, `liar${i}.example`).failed(0);
    expect(() => guard.begin(HERE, 'another.example')).toThrow(limited(1000));
    guard.begin('192.0.2.2', 'another.example').failed(0);
    await clock.advance(999);
    expect(() => guard.begin(HERE, 'another.example')).toThrow(limited(1));
    await clock.advance(1);
    guard.begin(HERE, 'another.example').failed(0);
  });

  it('counts what is not decided yet, and gives it back when the signature was good', () => {
    const { guard } = setUp();
    const attempts = Array.from({ length: 5 }, () => guard.begin(HERE, 'a.example'));
    expect(() => guard.begin(HERE, 'b.example')).toThrow(limited(1000));
    for (const attempt of attempts) attempt.verified();
    for (let i = 0; i < 1000; i++) guard.begin(HERE, `${i}.example`).verified();
    guard.begin(HERE, 'b.example').failed(0);
  });

  it('charges for large bodies', () => {
    const { guard } = setUp();
    guard.begin(HERE, 'a.example').failed(10 * 16_384);
    expect(() => guard.begin(HERE, 'a.example')).toThrow(limited(7_000));
  });

  it('lets those who proved themselves go on beside a liar at the same address, who cannot speak for them for long', () => {
    const { guard } = setUp();
    guard.begin(HERE, 'honest.example').verified();
    for (let i = 0; i < 5; i++) guard.begin(HERE, 'liar.example').failed(0);
    expect(() => guard.begin(HERE, 'liar.example')).toThrow(limited(1000));
    for (let i = 0; i < 100; i++) guard.begin(HERE, 'honest.example').verified();
    // From elsewhere nobody can touch what is theirs here.
    for (let i = 0; i < 5; i++) guard.begin('192.0.2.2', 'honest.example').failed(0);
    expect(() => guard.begin('192.0.2.2', 'honest.example')).toThrow(limited(1000));
    guard.begin(HERE, 'honest.example').verified();
    for (let i = 0; i < 5; i++) guard.begin(HERE, 'honest.example').failed(0);
    expect(() => guard.begin(HERE, 'honest.example')).toThrow(limited(1000));
  });

  it('remembers so many addresses and pairs, and nothing of addresses that only ever told the truth but the pairs', () => {
    const { guard } = setUp(10);
    for (let i = 0; i < 100; i++) guard.begin(`192.0.2.${i}`, 'a.example').verified();
    expect(guard.size).toBe(10);
    for (let i = 0; i < 100; i++) guard.begin(`198.51.100.${i}`, 'a.example').failed(0);
    expect(guard.size).toBe(20);
  });
});
