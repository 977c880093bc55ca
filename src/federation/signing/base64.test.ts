import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeBase64, encodeBase64 } from './base64.ts';

const EXAMPLES = [
  ['', ''],
  ['f', 'Zg'],
  ['fo', 'Zm8'],
  ['foo', 'Zm9v'],
  ['foob', 'Zm9vYg'],
  ['fooba', 'Zm9vYmE'],
  ['foobar', 'Zm9vYmFy'],
] as const;

describe('base64', () => {
  it.each(EXAMPLES)('writes and reads the example of the specification %j', (text, base64) => {
    expect(encodeBase64(Buffer.from(text))).toBe(base64);
    expect(decodeBase64(base64)).toEqual(Buffer.from(text));
    expect(decodeBase64(base64.padEnd(Math.ceil(base64.length / 4) * 4, '='))).toEqual(Buffer.from(text));
  });

  it('reads what it writes, in both alphabets, with and without padding', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const text = encodeBase64(bytes);
        const urlSafe = text.replaceAll('+', '-').replaceAll('/', '_');
        for (const form of [text, urlSafe, Buffer.from(bytes).toString('base64')]) {
          expect(decodeBase64(form)).toEqual(Buffer.from(bytes));
        }
      }),
    );
  });

  it('writes only the part of a buffer that the bytes are a view of', () => {
    expect(encodeBase64(Buffer.from('xfoobarx').subarray(1, 7))).toBe('Zm9vYmFy');
  });

  it.each(['Z', 'Zm9vZ', 'Zg=', 'Zg===', 'Z===', 'Zm9v====', 'Zm 8', 'Zm8\n', 'Zm8!', '=Zg=', 'Zm=8', 'é'])(
    'refuses %j',
    (text) => expect(decodeBase64(text)).toBeNull(),
  );
});
