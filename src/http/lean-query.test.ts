import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isPlainQuery, readQuery } from './lean-query.ts';

describe('readQuery', () => {
  it('answers as URLSearchParams does', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '=', '&', 's', '_', '1', '~'), maxLength: 30 });
    const name = fc.constantFrom('a', 'ab', 's', 'since', '_');
    fc.assert(
      fc.property(text, name, (query, wanted) => {
        expect(readQuery(query, wanted)).toBe(new URLSearchParams(query).get(wanted));
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['since=s1_2_3&timeout=30000', true],
    ['filter=%7B%7D', false],
    ['a=b+c', false],
    ['', true],
  ])('knows whether %j is plain: %s', (query, expected) => {
    expect(isPlainQuery(query)).toBe(expected);
  });
});
