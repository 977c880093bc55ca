/**
 * Priorities are kept, and weights are proportions.
 */
import { describe, expect, it } from 'vitest';
import { inSrvOrder } from './srv-order.ts';

const record = (name: string, priority: number, weight: number) => ({ name, priority, weight });
/** Always the same numbers, evenly spread. */
function evenly(): () => number {
  let last = 0;
  return () => {
    last = (last + 0.618_033_988_749_895) % 1;
    return last;
  };
}

describe('inSrvOrder', () => {
  it('puts lower priorities first, whatever the weights', () => {
    const records = [record('c', 20, 1000), record('a', 0, 0), record('b', 10, 65_535)];
    for (const random of [() => 0, () => 0.5, () => 0.999_999]) {
      expect(inSrvOrder(records, random).map(({ name }) => name)).toEqual(['a', 'b', 'c']);
    }
  });

  it('puts the heavier one first as often as its weight says, and the one without weight now and then', () => {
    const records = [record('heavy', 1, 30), record('light', 1, 10), record('none', 1, 0)];
    const random = evenly();
    const first = new Map<string, number>();
    for (let i = 0; i < 4100; i++) {
      const ordered = inSrvOrder(records, random);
      expect(ordered.length).toBe(3);
      const name = ordered[0]?.name ?? '';
      first.set(name, (first.get(name) ?? 0) + 1);
    }
    expect(first.get('heavy')).toBeGreaterThan(2700);
    expect(first.get('light')).toBeGreaterThan(850);
    expect(first.get('light')).toBeLessThan(1150);
    expect(first.get('none')).toBeGreaterThan(50);
  });

  it('leaves the records alone', () => {
    const records = Object.freeze([record('b', 2, 1), record('a', 1, 1)]);
    expect(inSrvOrder(records, () => 0).map(({ name }) => name)).toEqual(['a', 'b']);
    expect(inSrvOrder([], () => 0)).toEqual([]);
  });
});
