import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IntLists } from './int-lists.ts';

/** What to do to which list; `at` chooses an index. */
const operations = fc.array(
  fc.record({
    list: fc.nat(7),
    kind: fc.constantFrom(
      'push',
      'push',
      'push',
      'insert',
      'removeOrdered',
      'removeSwapping',
      'removeFirst',
      'replace',
      'clear',
      'compact',
    ),
    value: fc.nat(1_000),
    at: fc.nat(1_000),
    times: fc.constantFrom(1, 1, 40),
  }),
  { maxLength: 200, size: 'max' },
);

describe('IntLists', () => {
  it.each([1.125, 2])('does what as many arrays do (ratio %s)', (ratio) => {
    fc.assert(
      fc.property(operations, (steps) => {
        const lists = new IntLists({ ratio });
        const arrays: number[][] = Array.from({ length: 8 }, () => []);
        for (const { list, kind, value, at, times } of steps) {
          const array = arrays[list] ?? [];
          for (let time = 0; time < times; time++) {
            const index = array.length === 0 ? 0 : at % array.length;
            if (kind === 'push') {
              lists.push(list, value + time);
              array.push(value + time);
            } else if (kind === 'insert') {
              lists.insert(list, index, value);
              array.splice(index, 0, value);
            } else if (kind === 'replace') {
              lists.replace(list, [value, value + 1, value + 2]);
              array.splice(0, array.length, value, value + 1, value + 2);
            } else if (kind === 'clear') {
              lists.clear(list);
              array.length = 0;
            } else if (kind === 'compact') lists.compact();
            else if (array.length > 0) {
              if (kind === 'removeFirst') {
                lists.removeFirst(list, index + 1);
                array.splice(0, index + 1);
              } else if (kind === 'removeOrdered') {
                lists.removeOrdered(list, index);
                array.splice(index, 1);
              } else {
                lists.removeSwapping(list, index);
                const last = array.pop() ?? 0;
                if (index < array.length) array[index] = last;
              }
            }
          }
        }
        expect(arrays.map((_, list) => lists.values(list))).toEqual(arrays);
        expect(arrays.map((array, list) => lists.indexOf(list, array.at(-1) ?? 0))).toEqual(
          arrays.map((array) => array.indexOf(array.at(-1) ?? 0)),
        );
      }),
    );
  });

  it('finds in ascending lists', () => {
    const lists = new IntLists();
    lists.replace(3, [2, 4, 8]);
    expect([0, 2, 3, 8, 9].map((value) => lists.lowerBound(3, value))).toEqual([0, 0, 1, 2, 3]);
    expect([2, 3, 8].map((value) => lists.includesSorted(3, value))).toEqual([true, false, true]);
    expect(lists.includesSorted(77, 1)).toBe(false);
    expect([lists.size(77), lists.capacity(77), lists.values(77)]).toEqual([0, 0, []]);
  });

  it('gives memory back when most of it is free', () => {
    const lists = new IntLists();
    for (let list = 0; list < 1_000; list++) for (let value = 0; value < 200; value++) lists.push(list, value);
    const full = lists.bytes;
    for (let list = 1; list < 1_000; list++) lists.clear(list);
    lists.compact();
    expect(lists.bytes).toBeLessThan(full / 10);
    expect(lists.values(0)).toHaveLength(200);
  });

  it('wastes little when lists grow side by side', () => {
    const lists = new IntLists();
    for (let value = 0; value < 20; value++) for (let list = 0; list < 10_000; list++) lists.push(list, value);
    expect(lists.bytes).toBeLessThan(10_000 * (20 * 4 + 9) * 1.3);
  });
});
