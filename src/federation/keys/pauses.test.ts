import { describe, expect, it } from 'vitest';
import { FetchSlots } from './fetch-slots.ts';
import { Pauses } from './pauses.ts';

const S = 1_000;

describe('Pauses', () => {
  const make = (random = () => 0) => new Pauses({ maxServers: 3, minRefetchMs: 60 * S, random });

  it('lasts a minute after a fetch', () => {
    const pauses = make();
    expect(pauses.isOn('a', 0)).toBe(false);
    pauses.fetched('a', 0, true);
    expect(pauses.isOn('a', 60 * S - 1)).toBe(true);
    expect(pauses.isOn('a', 60 * S)).toBe(false);
    expect(pauses.isOn('b', 1)).toBe(false);
  });

  it('grows while fetches fail, to ten minutes, and starts again after one that did not', () => {
    const pauses = make();
    const lengths = Array.from({ length: 9 }, () => pauses.failed('a', 0) / S);
    expect(lengths).toEqual([5, 10, 20, 40, 80, 160, 320, 600, 600]);
    expect(pauses.isOn('a', 600 * S - 1)).toBe(true);
    pauses.fetched('a', 0, true);
    expect(pauses.failed('a', 0)).toBe(5 * S);
  });

  it('grows while the wanted key is not found, to five minutes', () => {
    const pauses = make();
    const lengths = Array.from({ length: 4 }, () => {
      pauses.fetched('a', 0, false);
      return [60, 120, 240, 300].find((seconds) => !pauses.isOn('a', seconds * S));
    });
    expect(lengths).toEqual([60, 120, 240, 300]);
    pauses.fetched('a', 0, true);
    pauses.fetched('a', 0, false);
    expect(pauses.isOn('a', 60 * S)).toBe(false);
  });

  it('spreads failures by up to a fifth', () => {
    expect(make(() => 0.999).failed('a', 0)).toBe(5_999);
    const pauses = make(() => 0.5);
    expect([pauses.failed('a', 0), pauses.failed('a', 0)]).toEqual([5_500, 11_000]);
    expect(pauses.isOn('a', 10_999)).toBe(true);
    expect(pauses.isOn('a', 11_000)).toBe(false);
  });

  it('forgets the server that was asked for the longest ago', () => {
    const pauses = make();
    for (const server of ['a', 'b', 'c', 'd']) pauses.fetched(server, 0, true);
    expect(['a', 'b', 'c', 'd'].map((server) => pauses.isOn(server, 1))).toEqual([false, true, true, true]);
  });
});

describe('FetchSlots', () => {
  it('gives strangers only their part', () => {
    const slots = new FetchSlots({ max: 3, maxStrangers: 2 });
    const first = slots.take(true);
    expect(slots.take(true)).not.toBeNull();
    expect(slots.take(true)).toBeNull();
    const known = slots.take(false);
    expect(known).not.toBeNull();
    expect(slots.take(false)).toBeNull();
    first?.();
    expect(slots.taken).toBe(2);
    expect(slots.take(true)).not.toBeNull();
    known?.();
    expect(slots.take(true)).toBeNull();
    expect(slots.take(false)).not.toBeNull();
  });
});
