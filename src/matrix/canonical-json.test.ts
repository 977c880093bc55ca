import * as fc from 'fast-check';
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

  it.each([
    ['{}', '{}'],
    ['{ "one": 1, "two": "Two" }', '{"one":1,"two":"Two"}'],
    ['{ "b": "2", "a": "1" }', '{"a":"1","b":"2"}'],
    ['{"b":"2","a":"1"}', '{"a":"1","b":"2"}'],
    [
      `{ "auth": { "success": true, "mxid": "@john.doe:example.com", "profile": { "display_name": "John Doe", "three_pids": [
        { "medium": "email", "address": "john.doe@example.org" }, { "medium": "msisdn", "address": "123456789" } ] } } }`,
      '{"auth":{"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe","three_pids":[{"address":"john.doe@example.org","medium":"email"},{"address":"123456789","medium":"msisdn"}]},"success":true}}',
    ],
    ['{ "a": "日本語" }', '{"a":"日本語"}'],
    ['{ "本": 2, "日": 1 }', '{"日":1,"本":2}'],
    ['{ "a": "\\u65E5" }', '{"a":"日"}'],
    ['{ "a": null }', '{"a":null}'],
    ['{ "a": -0, "b": 1e10 }', '{"a":0,"b":10000000000}'],
  ])('turns the published example %s into its canonical form', (text, canonical) => {
    expect(canonicalJson(JSON.parse(text))).toBe(canonical);
  });

  it('writes control characters, quotes and backslashes as the grammar says, and nothing else with a backslash', () => {
    const escapes = new Map<number, string>([
      [8, '\\b'],
      [9, '\\t'],
      [10, '\\n'],
      [12, '\\f'],
      [13, '\\r'],
      [34, '\\"'],
      [92, '\\\\'],
    ]);
    for (let code = 0; code < 0x3000; code += 1) {
      const character = String.fromCharCode(code);
      const escaped = escapes.get(code) ?? (code < 32 ? `\\u00${code.toString(16).padStart(2, '0')}` : character);
      expect(canonicalJson({ [`a${character}`]: character })).toBe(`{"a${escaped}":"${escaped}"}`);
    }
  });

  const text = fc.string({
    unit: fc.constantFrom('a', 'b', 'é', '"', '\\', '\n', '\u2028', '\uE000', '\uFFFF', '😀', '\u{10FFFF}'),
  });
  const { value: jsonValue } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 5 },
      fc.constantFrom(null, true, false, 0, -1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER),
      text,
      fc.array(tie('value'), { maxLength: 5 }),
      fc.dictionary(text, tie('value'), { maxKeys: 6 }),
    ),
  }));

  it('means the same as the value, sorts by code point, and is the same for every order of the members', () => {
    fc.assert(
      fc.property(jsonValue, (value) => {
        const canonical = canonicalJson(value);
        expect(JSON.parse(canonical)).toEqual(value);
        expect(canonical).toBe(plainly(value));
        expect(canonicalJson(backwards(value))).toBe(canonical);
      }),
      { numRuns: 500 },
    );
  });
});

/** The same by the shortest way: keys in the order of their UTF-8 bytes, which is that of their code points. */
function plainly(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(plainly).join(',')}]`;
  const entries = Object.entries(value).sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return `{${entries.map(([key, member]) => `${JSON.stringify(key)}:${plainly(member)}`).join(',')}}`;
}

/** With the members of every object the other way round. */
function backwards(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(backwards);
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, member]) => [key, backwards(member)])
      .reverse(),
  );
}
