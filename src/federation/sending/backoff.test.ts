import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pauseAfter } from './backoff.ts';
import { DEFAULT_SENDER_OPTIONS } from './sender-options.ts';

const options = DEFAULT_SENDER_OPTIONS;
const SEVEN_DAYS = 7 * 86_400_000;

describe('pauseAfter', () => {
  it('shortens and stretches every pause by chance, from 0.8 to 1.4 times', () => {
    expect(pauseAfter(1, 0, null, options, () => 0)).toEqual({ delayMs: 800, retryIntervalMs: 0 });
    expect(pauseAfter(3, 0, null, options, () => 0.999_999)).toEqual({ delayMs: 22_400, retryIntervalMs: 0 });
    expect(pauseAfter(10, 0, null, options, () => 1 / 3).delayMs).toBe(60_000);
    expect(pauseAfter(11, 0, null, options, () => 0)).toEqual({ delayMs: 480_000, retryIntervalMs: 480_000 });
    expect(pauseAfter(12, 480_000, null, options, () => 0.5)).toEqual({
      delayMs: 1_056_000,
      retryIntervalMs: 1_056_000,
    });
  });

  it('honours what the peer asks for, up to the limit, and never goes below its own pause', () => {
    expect(pauseAfter(1, 0, 45_000, options, () => 0.5).delayMs).toBe(45_000);
    expect(pauseAfter(1, 0, 10, options, () => 0).delayMs).toBe(800);
    expect(pauseAfter(1, 0, Infinity, options, () => 0.5).delayMs).toBe(600_000);
    expect(pauseAfter(20, SEVEN_DAYS, 1, options, () => 0).delayMs).toBe(SEVEN_DAYS);
  });

  it('rests at once when no quick retries are wanted', () => {
    expect(pauseAfter(1, 0, null, { ...options, maxLongRetries: 0 }, () => 1 / 3).delayMs).toBe(600_000);
  });

  it('is always a sane time', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10_000 }),
        fc.oneof(fc.constant(0), fc.integer({ min: options.minRetryIntervalMs, max: SEVEN_DAYS })),
        fc.option(fc.oneof(fc.nat(), fc.double({ min: 0, noNaN: true })), { nil: null }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (failures, interval, retryAfter, chance) => {
          const pause = pauseAfter(failures, interval, retryAfter, options, () => chance);
          expect(Number.isSafeInteger(pause.delayMs)).toBe(true);
          expect(pause.delayMs).toBeGreaterThanOrEqual(800);
          expect(pause.delayMs).toBeLessThanOrEqual(SEVEN_DAYS);
          expect(pause.retryIntervalMs).toBeLessThanOrEqual(SEVEN_DAYS);
        },
      ),
    );
  });
});
