/** Against the specification's appendices, "Cryptographic Test Vectors". */
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from '../../matrix/canonical-json.ts';
import { decodeBase64, encodeBase64 } from './base64.ts';
import { isPublicKey, signingKeyOf, verifySignature } from './ed25519.ts';
import { signJson } from './sign-json.ts';
import { verifyJson } from './verify-json.ts';

const seed = decodeBase64('YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1') ?? new Uint8Array();
const key = signingKeyOf('1', seed);

const EMPTY = 'K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ';
const ONE_TWO = 'KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw';
const EVENT = 'KxwGjPSDEtvnFgU00fwFz+l6d2pJM6XBIaMEn81SXPTRl16AqLAYqfIReFGZlHi5KLjAWbOoMszkwsQma+lYAg';
const MESSAGE = 'Wm+VzmOUOz08Ds+0NTWb1d4CZrVsJSikkeRxh6aCcUwu6pNC78FunoD7KNWzqFn241eYHYMGCA5McEiVPdhzBA';

describe('signJson', () => {
  it('signs an empty object as the specification does', () => {
    expect(signJson({}, 'domain', key)).toEqual({ signatures: { domain: { 'ed25519:1': EMPTY } } });
  });

  it('signs an object with values as the specification does', () => {
    expect(signJson({ one: 1, two: 'Two' }, 'domain', key)).toEqual({
      one: 1,
      two: 'Two',
      signatures: { domain: { 'ed25519:1': ONE_TWO } },
    });
  });

  it('signs the smallest event of the specification', () => {
    const event = {
      room_id: '!x:domain',
      sender: '@a:domain',
      origin: 'domain',
      origin_server_ts: 1_000_000,
      signatures: {},
      hashes: {},
      type: 'X',
      content: {},
      prev_events: [],
      auth_events: [],
      depth: 3,
      unsigned: { age_ts: 1_000_000 },
    };
    const hashes = { sha256: contentHash(event) };
    expect(hashes.sha256).toBe('5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos');
    const signed = signJson({ ...event, hashes }, 'domain', key);
    expect(signed).toEqual({ ...event, hashes, signatures: { domain: { 'ed25519:1': EVENT } } });
  });

  it('signs the redacted form of the event with content of the specification', () => {
    const event = {
      content: { body: 'Here is the message content' },
      event_id: '$0:domain',
      origin: 'domain',
      origin_server_ts: 1_000_000,
      type: 'm.room.message',
      room_id: '!r:domain',
      sender: '@u:domain',
      signatures: {},
      unsigned: { age_ts: 1_000_000 },
    };
    const hashes = { sha256: contentHash(event) };
    expect(hashes.sha256).toBe('onLKD1bGljeBWQhWZ1kaP9SorVmRQNdN5aM2JYU2n/g');
    expect(signJson({ ...event, hashes, content: {} }, 'domain', key).signatures).toEqual({
      domain: { 'ed25519:1': MESSAGE },
    });
  });

  it('keeps other signatures, and leaves what it was given as it was', () => {
    const value = {
      a: 1,
      unsigned: { age: 5 },
      signatures: { other: { 'ed25519:x': 'abc' }, domain: { 'ed25519:0': 'old' } },
    };
    const before = structuredClone(value);
    const signed = signJson(value, 'domain', key);
    expect(value).toEqual(before);
    expect(signed.unsigned).toEqual({ age: 5 });
    expect(signed.signatures).toEqual({
      other: { 'ed25519:x': 'abc' },
      domain: {
        'ed25519:0': 'old',
        'ed25519:1': signJson({ a: 1 }, 'domain', key).signatures['domain']?.['ed25519:1'],
      },
    });
  });
});

describe('verifyJson', () => {
  const signed = { one: 1, two: 'Two', signatures: { domain: { 'ed25519:1': ONE_TWO } } };

  it('accepts the signatures of the specification, whatever is unsigned or padded', () => {
    expect(verifyJson(signed, 'domain', 'ed25519:1', key.publicKey)).toBe(true);
    expect(verifyJson({ ...signed, unsigned: { age: 1 } }, 'domain', 'ed25519:1', `${key.publicKey}=`)).toBe(true);
    const padded = { ...signed, signatures: { domain: { 'ed25519:1': `${ONE_TWO}==` } } };
    expect(verifyJson(padded, 'domain', 'ed25519:1', key.publicKey)).toBe(true);
  });

  it.each([
    ['another value', { ...signed, one: 2 }],
    ['a further member', { ...signed, three: 3 }],
    ['another signature', { ...signed, signatures: { domain: { 'ed25519:1': EMPTY } } }],
    ['a signature that is cut', { ...signed, signatures: { domain: { 'ed25519:1': ONE_TWO.slice(2) } } }],
    ['a signature that is no base64', { ...signed, signatures: { domain: { 'ed25519:1': '!'.repeat(86) } } }],
    ['a signature that is no text', { ...signed, signatures: { domain: { 'ed25519:1': 5 } } }],
    ['another key id', { ...signed, signatures: { domain: { 'ed25519:2': ONE_TWO } } }],
    ['another server', { ...signed, signatures: { other: { 'ed25519:1': ONE_TWO } } }],
    ['no signatures', { one: 1, two: 'Two' }],
    ['signatures of the wrong shape', { ...signed, signatures: ['x'] }],
    ['a server of the wrong shape', { ...signed, signatures: { domain: null } }],
    ['a fraction', { ...signed, half: 0.5 }],
    ['null', null],
    ['a text', 'signed'],
  ])('refuses %s', (_, value) => {
    expect(verifyJson(value, 'domain', 'ed25519:1', key.publicKey)).toBe(false);
  });

  it.each(['', 'abc', 'A'.repeat(43), '!'.repeat(43), key.publicKey.slice(0, 40)])(
    'refuses the key %j',
    (publicKey) => {
      expect(verifyJson(signed, 'domain', 'ed25519:1', publicKey)).toBe(false);
    },
  );

  it('does not take what every object inherits for a server or a key', () => {
    for (const name of ['constructor', '__proto__', 'toString']) {
      expect(verifyJson(signed, name, 'ed25519:1', key.publicKey)).toBe(false);
      expect(verifyJson(signed, 'domain', name, key.publicKey)).toBe(false);
    }
  });

  it('accepts what was signed, after any way through JSON, and refuses every other value', () => {
    const members = fc.dictionary(fc.string({ unit: 'binary', maxLength: 8 }), jsonValue, { maxKeys: 5 });
    fc.assert(
      fc.property(members, members, (value, other) => {
        const rest = without(value, 'signatures', 'unsigned');
        const document = signJson(rest, 'domain', key);
        const sent: unknown = JSON.parse(JSON.stringify(reversed(document)));
        expect(verifyJson(sent, 'domain', 'ed25519:1', key.publicKey)).toBe(true);
        const changed = { ...other, signatures: document.signatures };
        const isSame = canonicalJson({ ...other, signatures: undefined, unsigned: undefined }) === canonicalJson(rest);
        expect(verifyJson(changed, 'domain', 'ed25519:1', key.publicKey)).toBe(isSame);
      }),
      { numRuns: 200 },
    );
  });
});

describe('Ed25519', () => {
  it('agrees with keys that Node made', () => {
    const pair = generateKeyPairSync('ed25519');
    const publicKey = encodeBase64(pair.publicKey.export({ format: 'der', type: 'spki' }).subarray(-32));
    const text = 'été 😀';
    expect(isPublicKey(publicKey)).toBe(true);
    expect(verifySignature(text, encodeBase64(sign(null, Buffer.from(text), pair.privateKey)), publicKey)).toBe(true);
    const own = signingKeyOf('x', pair.privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-32));
    expect(own.publicKey).toBe(publicKey);
    expect(verifySignature(Buffer.from(text), own.sign(text), publicKey)).toBe(true);
    expect(verifySignature('other', own.sign(text), publicKey)).toBe(false);
  });

  it('refuses a seed of another length, and what cannot be a public key', () => {
    expect(() => signingKeyOf('1', new Uint8Array(31))).toThrow(RangeError);
    for (const wrong of [null, 5, '', 'A'.repeat(42), 'A'.repeat(44), 'A'.repeat(1000)]) {
      expect(isPublicKey(wrong)).toBe(false);
    }
  });

  it('goes on when more keys were seen than are kept', () => {
    const keys = Array.from({ length: 1_001 }, (_, i) =>
      signingKeyOf('n', createHash('sha256').update(`${i}`).digest()),
    );
    for (const each of keys) expect(verifySignature('x', 'A'.repeat(86), each.publicKey)).toBe(false);
    expect(verifySignature('x', keys[0]?.sign('x') ?? '', keys[0]?.publicKey ?? '')).toBe(true);
  });
});

const wholeNumber = fc.integer({ min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER });
const { value: jsonValue } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constant(null),
    fc.boolean(),
    wholeNumber,
    fc.string({ unit: 'binary' }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.string({ unit: 'binary', maxLength: 8 }), tie('value'), { maxKeys: 4 }),
  ),
}));

/** The same value with the members of its outermost object the other way round. */
function reversed(value: object): unknown {
  return Object.fromEntries(Object.entries(value).reverse());
}

function contentHash(event: Record<string, unknown>): string {
  const hashed = without(event, 'signatures', 'unsigned', 'hashes');
  return encodeBase64(createHash('sha256').update(canonicalJson(hashed)).digest());
}

function without(value: Record<string, unknown>, ...names: string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).filter(([name]) => !names.includes(name)));
}
