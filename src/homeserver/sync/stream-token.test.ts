import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clampStreamToken, parseStreamToken, printStreamToken, StreamTokenReader } from './stream-token.ts';

const position = fc.nat({ max: 2 ** 40 });
const token = fc.record({
  position,
  presence: fc.record({ position, resume: fc.option(position) }),
  typing: position,
});

describe('stream token', () => {
  it('comes back as it was printed', () => {
    fc.assert(
      fc.property(token, (value) => {
        expect(parseStreamToken(printStreamToken(value))).toEqual(value);
      }),
    );
  });

  it('is read as it is parsed, whatever was read before', () => {
    const reader = new StreamTokenReader();
    for (const text of ['s1_2_3', 's1_2_3', 's1_2~1_3', 's1_2_3']) {
      expect(reader.read(text)).toEqual(parseStreamToken(text));
    }
    expect(() => reader.read('s1')).toThrow('not a token of this server');
    expect(reader.read('s1_2_3').typing).toBe(3);
  });

  it.each([
    '',
    's',
    's1_2',
    's1_2_3_4',
    't1-2',
    's-1_2_3',
    's1_2~_3',
    's1_2~x_3',
    ' s1_2_3',
    's1_2_3\n',
    's9999999999999999_0_0',
    's1.5_2_3',
    'null',
  ])('refuses %j with clear words', (text) => {
    expect(() => parseStreamToken(text)).toThrow(
      expect.objectContaining({ httpStatus: 400, errcode: 'M_INVALID_PARAM', message: expect.stringMatching(/since/) }),
    );
  });

  it('clamps every part that is ahead, and only those', () => {
    const newest = { position: 10, presence: { position: 20, resume: null }, typing: 5 };
    fc.assert(
      fc.property(token, (value) => {
        const clamped = clampStreamToken(value, newest);
        expect(clamped.position).toBe(Math.min(value.position, 10));
        expect(clamped.presence.position).toBe(Math.min(value.presence.position, 20));
        expect(clamped.typing).toBe(Math.min(value.typing, 5));
        expect(clamped.presence.resume ?? -1).toBeLessThan(Math.max(clamped.presence.position, 1));
      }),
    );
    const old = { position: 10, presence: { position: 19, resume: 3 }, typing: 5 };
    expect(clampStreamToken(old, newest)).toBe(old);
  });
});
