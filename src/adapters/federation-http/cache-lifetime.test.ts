/**
 * Headers are believed within bounds.
 */
import { describe, expect, it } from 'vitest';
import { cacheLifetime, LIFETIMES } from './cache-lifetime.ts';

const NOW = Date.UTC(2026, 0, 1);
const HOUR_MS = 3_600_000;
const at = (ms: number) => new Date(NOW + ms).toUTCString();

describe('cacheLifetime', () => {
  it.each<[string, Record<string, string>, number]>([
    ['nothing', {}, LIFETIMES.defaultMs],
    ['other directives', { 'cache-control': 'public' }, LIFETIMES.defaultMs],
    ['max-age', { 'cache-control': 'public, Max-Age=3600' }, HOUR_MS],
    ['max-age in quotes', { 'cache-control': 'max-age="3600"' }, HOUR_MS],
    ['max-age less the time in other caches', { 'cache-control': 'max-age=7200', age: '3600' }, HOUR_MS],
    ['max-age that is none', { 'cache-control': 'max-age=soon' }, LIFETIMES.defaultMs],
    ['a very long time', { 'cache-control': 'max-age=99999999999999999999' }, LIFETIMES.maxMs],
    ['a very short time', { 'cache-control': 'max-age=1' }, LIFETIMES.minMs],
    ['no time', { 'cache-control': 'no-store' }, LIFETIMES.minMs],
    ['asking every time', { 'cache-control': 'no-cache, max-age=3600' }, LIFETIMES.minMs],
    ['a date', { expires: at(HOUR_MS) }, HOUR_MS],
    ['a date by a clock that is wrong', { expires: at(3 * HOUR_MS), date: at(2 * HOUR_MS) }, HOUR_MS],
    ['a date far away', { expires: at(1000 * HOUR_MS) }, LIFETIMES.maxMs],
    ['a date that has passed', { expires: at(-HOUR_MS) }, LIFETIMES.minMs],
    ['no date', { expires: '0' }, LIFETIMES.minMs],
    ['max-age and a date', { 'cache-control': 'max-age=3600', expires: at(2 * HOUR_MS) }, HOUR_MS],
  ])('%s', (_what, headers, expected) => {
    expect(cacheLifetime(headers, NOW)).toBe(expected);
  });

  it('has the bounds that the specification recommends', () => {
    expect(LIFETIMES).toMatchObject({ defaultMs: 24 * HOUR_MS, maxMs: 48 * HOUR_MS });
  });
});
