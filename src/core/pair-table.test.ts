import { describe, expect, it } from 'vitest';
import { PairTable } from './pair-table.ts';

describe('a table of small numbers by user', () => {
  it('holds what a Map holds, however it grows', () => {
    const table = new PairTable();
    const expected = new Map<number, number>();
    for (let index = 0; index < 20_000; index++) {
      const uid = (index * 7_919) % 12_345;
      table.set(uid, index % 32);
      expected.set(uid, index % 32);
    }
    expect(table.size).toBe(expected.size);
    for (const [uid, value] of expected) expect(table.get(uid)).toBe(value);
    expect(table.get(12_345)).toBe(-1);
    const seen = new Map<number, number>();
    table.each((uid, value) => seen.set(uid, value));
    expect(seen).toEqual(expected);
  });

  it('takes the largest ids', () => {
    const table = new PairTable();
    table.set(2 ** 26, 31);
    expect([table.get(2 ** 26), table.get(0)]).toEqual([31, -1]);
  });

  it('takes a word and a bit more for each user', () => {
    const table = new PairTable();
    table.reserve(10_000);
    const before = table.bytes;
    for (let uid = 0; uid < 10_000; uid++) table.set(uid, 0);
    expect(table.bytes).toBe(before);
    expect(table.bytes / 10_000).toBeLessThan(11);
  });
});
