import { describe, expect, it } from 'vitest';
import { enforceLimit, RateLimiter } from './rate-limit.ts';

function make(perSecond: number, burstCount: number, maxKeys?: number) {
  let now = 1_000_000;
  const limiter = new RateLimiter({
    limit: { perSecond, burstCount },
    clock: { now: () => now },
    ...(maxKeys === undefined ? {} : { maxKeys }),
  });
  return { limiter, advance: (ms: number) => void (now += ms) };
}

describe('rate limiter', () => {
  it('lets a burst through, then one for each that has leaked, and says exactly how long to wait', () => {
    const { limiter, advance } = make(0.1, 3);
    expect([limiter.take('a'), limiter.take('a'), limiter.take('a')]).toEqual([0, 0, 0]);
    expect(limiter.take('a')).toBe(10_000);
    advance(4000);
    expect(limiter.take('a')).toBe(6000);
    advance(5999);
    expect(limiter.take('a')).toBe(1);
    advance(1);
    expect(limiter.take('a')).toBe(0);
    expect(limiter.take('a')).toBe(10_000);
  });

  it('at one per ten seconds, takes the tenth second and not the millisecond before', () => {
    for (const perSecond of [0.1, 0.17, 0.003, 3, 1 / 3, 7]) {
      const { limiter, advance } = make(perSecond, 1);
      expect(limiter.take('a')).toBe(0);
      for (let round = 0; round < 50; round++) {
        const wait = limiter.take('a');
        expect(wait).toBeGreaterThan(0);
        advance(wait - 1);
        expect(limiter.take('a'), `${perSecond} per second, round ${round}`).toBe(1);
        advance(1);
        expect(limiter.take('a'), `${perSecond} per second, round ${round}`).toBe(0);
      }
    }
  });

  it('keeps keys apart, and looking takes nothing', () => {
    const { limiter } = make(1, 1);
    expect(limiter.peek('a')).toBe(0);
    expect(limiter.peek('a')).toBe(0);
    expect(limiter.take('a')).toBe(0);
    expect(limiter.peek('a')).toBe(1000);
    expect(limiter.take('b')).toBe(0);
  });

  it('takes nothing when it refuses', () => {
    const { limiter, advance } = make(1, 1);
    limiter.take('a');
    for (let i = 0; i < 100; i++) limiter.take('a');
    advance(1000);
    expect(limiter.take('a')).toBe(0);
  });

  it('never allows with a burst of 0, and waits an hour at most', () => {
    expect(make(1, 0).limiter.take('a')).toBe(1000);
    const { limiter } = make(0, 1);
    expect(limiter.take('a')).toBe(0);
    expect(limiter.take('a')).toBe(3_600_000);
  });

  it('applies a new limit to what has been taken', () => {
    const { limiter } = make(0.1, 1);
    limiter.take('a');
    limiter.setLimit({ perSecond: 0.1, burstCount: 2 });
    expect(limiter.take('a')).toBe(0);
    limiter.setLimit({ perSecond: 1, burstCount: 1 });
    expect(limiter.take('a')).toBe(2000);
  });

  it('forgets buckets that have run empty, and the oldest beyond its limit', () => {
    const { limiter, advance } = make(1, 1, 1000);
    for (let i = 0; i < 5000; i++) {
      limiter.take(`drained-${i}`);
      advance(2);
    }
    expect(limiter.size).toBeLessThanOrEqual(1000);
    advance(10_000);
    for (let i = 0; i < 1000; i++) limiter.take(`next-${i}`);
    expect(limiter.size).toBeLessThanOrEqual(1000);
    expect(limiter.take('next-999')).toBeGreaterThan(0);
    limiter.take('one-more');
    expect(limiter.size).toBe(1000);
  });

  it('forgets the key that was used longest ago, not the one that came first', () => {
    const { limiter } = make(0.001, 2, 2);
    limiter.take('first');
    limiter.take('second');
    limiter.take('first');
    limiter.take('third');
    expect(limiter.take('first')).toBeGreaterThan(0);
    expect([limiter.take('second'), limiter.take('second')]).toEqual([0, 0]);
  });

  it('says it as the specification wants it', () => {
    const { limiter } = make(0.5, 1);
    enforceLimit(limiter, 'a');
    expect(() => {
      enforceLimit(limiter, 'a');
    }).toThrow(
      expect.objectContaining({ httpStatus: 429, errcode: 'M_LIMIT_EXCEEDED', extras: { retry_after_ms: 2000 } }),
    );
  });
});
