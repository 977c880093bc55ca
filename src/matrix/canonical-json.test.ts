import { describe, expect, it } from 'vitest';
import { canonicalJson, CanonicalJsonError } from './canonical-json.ts';

describe('canonicalJson', () => {
  it('writes the examples of the specification', () => {
    expect(canonicalJson({ one: 1, two: 'Two' })).toBe('{"one":1,"two":"Two"}');
    expect(canonicalJson({ b: '2', a: '1' })).toBe('{"a":"1","b":"2"}');
    expect(
      canonicalJson({ auth: { success: true, mxid: '@john.doe:example.com', profile: { c: [{ b: 2, a: null }] } } }),
    ).toBe('{"auth":{"mxid":"@john.doe:example.com","profile":{"c":[{"a":null,"b":2}]},"success":true}}');
    expect(canonicalJson({ 本: 2, 日: 1 })).toBe('{"日":1,"本":2}');
    expect(canonicalJson({ a: '\u65E5' })).toBe('{"a":"日"}');
    expect(canonicalJson({ a: -0, b: 1e10, c: undefined })).toBe('{"a":0,"b":10000000000}');
  });

  it('sorts keys by code point, not by UTF-16 unit', () => {
    expect(canonicalJson({ '\u{1F600}': 1, '\uFFFD': 2, a: 3 })).toBe('{"a":3,"\uFFFD":2,"\u{1F600}":1}');
  });

  it.each([[1.5], [2 ** 53], [Number.NaN], ['\ud800'], [{ '\udc00': 1 }], [() => 1]])('refuses %s', (value) => {
    expect(() => canonicalJson({ value })).toThrow(CanonicalJsonError);
  });

  it('refuses what is nested too deep, and writes what is not', () => {
    const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)]);
    expect(() => canonicalJson(nested(201))).toThrow(CanonicalJsonError);
    expect(canonicalJson(nested(200))).toHaveLength(401);
  });

  it('keeps a text that only looks like an escaped surrogate', () => {
    expect(canonicalJson('\\ud800')).toBe('"\\\\ud800"');
  });
});
