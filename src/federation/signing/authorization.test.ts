import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MatrixError } from '../../matrix/errors.ts';
import { authorizationHeader, parseAuthorization, requestText } from './authorization.ts';
import { decodeBase64 } from './base64.ts';
import { signingKeyOf } from './ed25519.ts';
import { signJson } from './sign-json.ts';

const key = signingKeyOf('key1', decodeBase64('YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1') ?? new Uint8Array());
const request = { method: 'PUT', uri: '/_matrix/x?a=%20b', origin: 'one.example:8448', destination: '[::1]:80' };

describe('requestText', () => {
  it('is what the signature of the whole JSON object would be made over', () => {
    for (const content of [undefined, {}, { b: 1, a: ['ü', null] }, [], 0, 'text', null]) {
      const whole = { ...request, ...(content === undefined ? {} : { content }) };
      const { signatures } = signJson(whole, request.origin, key);
      expect(key.sign(requestText(whole))).toBe(signatures[request.origin]?.['ed25519:key1']);
    }
    const written = requestText({ ...request, contentText: '{"a":1}' });
    expect(written).toBe(requestText({ ...request, content: { a: 1 } }));
  });
});

describe('authorizationHeader', () => {
  it('prints what old servers can read', () => {
    const sig = key.sign(requestText(request));
    expect(authorizationHeader({ ...request, key })).toBe(
      `X-Matrix origin="one.example:8448",destination="[::1]:80",key="ed25519:key1",sig="${sig}"`,
    );
  });

  it('can be parsed again', () => {
    expect(parseAuthorization(authorizationHeader({ ...request, content: { a: 1 }, key }))).toEqual({
      origin: 'one.example:8448',
      destination: '[::1]:80',
      keyId: 'ed25519:key1',
      signature: key.sign(requestText({ ...request, content: { a: 1 } })),
    });
  });
});

describe('parseAuthorization', () => {
  const expected = { origin: 'a.org', destination: 'b.org:80', keyId: 'ed25519:k', signature: 'ab+/Z' };

  it.each([
    ['quoted', 'X-Matrix origin="a.org",destination="b.org:80",key="ed25519:k",sig="ab+/Z"'],
    ['unquoted, with colons', 'X-Matrix origin=a.org,destination=b.org:80,key=ed25519:k,sig=ab+/Z'],
    ['in another order', 'X-Matrix sig="ab+/Z",key="ed25519:k",destination="b.org:80",origin="a.org"'],
    ['names and scheme in capitals', 'x-MATRIX Origin="a.org",DESTINATION="b.org:80",kEy="ed25519:k",SIG="ab+/Z"'],
    ['spaces and tabs', 'X-Matrix   origin="a.org" ,\tdestination = "b.org:80"\t,  key="ed25519:k", sig="ab+/Z" '],
    [
      'unknown parameters',
      'X-Matrix x=1,origin="a.org",y="a,b=\\"c",destination="b.org:80",key=ed25519:k,sig="ab+/Z",z=""',
    ],
    ['escapes', 'X-Matrix origin="a\\.o\\rg",destination="b.org\\:80",key="ed25519:k",sig="ab+/\\Z"'],
    ['empty elements', 'X-Matrix ,origin="a.org",, ,destination="b.org:80",key="ed25519:k",sig="ab+/Z",'],
  ])('reads %s', (_, header) => expect(parseAuthorization(header)).toEqual(expected));

  it('reads an escaped quote and backslash as themselves', () => {
    const { origin } = parseAuthorization('X-Matrix origin="a\\"b\\\\c",key="k",sig="s"');
    expect(origin).toBe('a"b\\c');
  });

  it('allows that the destination is missing', () => {
    expect(parseAuthorization('X-Matrix origin=a.org,key="ed25519:k",sig="ab"').destination).toBeNull();
  });

  it('does not take a missing destination for an empty one', () => {
    expect(parseAuthorization('X-Matrix origin=a.org,destination="",key="ed25519:k",sig="ab"').destination).toBe('');
  });

  it.each([
    '',
    'X-Matrix',
    'X-Matrix ',
    'Bearer abc',
    'X-Matrixorigin=a,key=k,sig=s',
    'X-Matrix origin=a,key=k',
    'X-Matrix origin=a,sig=s',
    'X-Matrix key=k,sig=s',
    'X-Matrix origin="",key=k,sig=s',
    'X-Matrix origin=a,key=k,sig=""',
    'X-Matrix origin=a,key=k,sig="s',
    'X-Matrix origin=a,key=k,sig="s"x',
    'X-Matrix origin=a key=k sig=s',
    'X-Matrix origin=a,origin=b,key=k,sig=s',
    'X-Matrix origin=a,ORIGIN=a,key=k,sig=s',
    'X-Matrix origin,key=k,sig=s',
    'X-Matrix =a,origin=a,key=k,sig=s',
    'X-Matrix origin=a;key=k;sig=s',
  ])('refuses %j with 401', (header) =>
    expect(refusal(header)).toMatchObject({ httpStatus: 401, errcode: 'M_UNAUTHORIZED' }),
  );

  it('bounds length and number of parameters', () => {
    const base = 'X-Matrix origin=a,key=k,sig=s';
    const long = (length: number) => `${base},x=${'y'.repeat(length - base.length - 3)}`;
    expect(parseAuthorization(long(4_096)).origin).toBe('a');
    expect(refusal(long(4_097))?.message).toContain('too long');
    const many = (count: number) => base + Array.from({ length: count - 3 }, (_, i) => `,x${i}=1`).join('');
    expect(parseAuthorization(many(16)).origin).toBe('a');
    expect(refusal(many(17))?.message).toContain('too many');
  });

  it('answers any text with a result or a 401', () => {
    const piece = fc.constantFrom(
      'X-Matrix ',
      'origin',
      '=',
      '"',
      '\\',
      ',',
      ' ',
      '\t',
      'a',
      ':',
      'key=k',
      'sig="s"',
      '\n',
      'é',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
        const header = `X-Matrix ${pieces.join('')}`;
        try {
          const parsed = parseAuthorization(header);
          expect(parsed.origin).not.toBe('');
        } catch (error) {
          expect(error).toBeInstanceOf(MatrixError);
        }
      }),
      { numRuns: 1_000 },
    );
    for (const hostile of [',', ' ', '"', '\\', 'a=', '="', 'a=b,', '\t=', '!']) {
      refusal(`X-Matrix ${hostile.repeat(4_096 / hostile.length - 9)}`);
      refusal(`X-Matrix a="${hostile.repeat(4_000 / hostile.length)}`);
    }
  });

  it('reads every value that is quoted', () => {
    const quote = (text: string) => `"${text.replace(/["\\]/g, '\\$&')}"`;
    const value = fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 50 });
    fc.assert(
      fc.property(value, value, value, value, (origin, destination, keyId, signature) => {
        const names = { origin, destination, key: keyId, sig: signature };
        const list = Object.entries(names).map(([name, text]) => `${name}=${quote(text)}`);
        expect(parseAuthorization(`X-Matrix ${list.join(',')}`)).toEqual({ origin, destination, keyId, signature });
      }),
    );
  });
});

function refusal(header: string): MatrixError | null {
  try {
    parseAuthorization(header);
    return null;
  } catch (error) {
    if (error instanceof MatrixError) return error;
    throw error;
  }
}
