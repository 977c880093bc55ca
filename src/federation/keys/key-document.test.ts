import { describe, expect, it } from 'vitest';
import { keyOf, PublishingServer } from '../../../test/support/fake-peers.ts';
import { ManualClock } from '../../adapters/memory/manual-clock.ts';
import { signJson } from '../signing/sign-json.ts';
import { type CheckedDocument, checkKeyDocument } from './key-document.ts';

const MINUTE = 60_000;
const DAY = 86_400_000;
const NAME = 'peer.example';
const clock = new ManualClock();
const now = clock.now();

function server(versions?: readonly string[]): PublishingServer {
  return new PublishingServer(NAME, clock, versions);
}

/** Signed as it stands, whatever it says. */
function signed(value: object, key = keyOf('x', 'a')): object {
  const defaults = {
    server_name: NAME,
    valid_until_ts: now + DAY,
    verify_keys: { [key.keyId]: { key: key.publicKey } },
  };
  return signJson({ ...defaults, ...value }, NAME, key);
}

function accepted(document: object): CheckedDocument {
  const checked = checkKeyDocument(JSON.parse(JSON.stringify(document)), NAME, now);
  if (typeof checked === 'string') throw new Error(checked);
  return checked;
}

function validity(document: object): number {
  return accepted(document).validUntilTs - now;
}

describe('checkKeyDocument', () => {
  it('takes current and old keys', () => {
    const peer = server(['a', 'b']);
    const old = keyOf('old', 'old');
    peer.old = [{ key: old, expiredTs: now - DAY }];
    const [a, b] = peer.keys;
    expect(accepted(peer.document()).keys).toEqual([
      { serverName: NAME, keyId: 'ed25519:a', publicKey: a?.publicKey, validUntilTs: now + DAY, fetchedTs: now },
      { serverName: NAME, keyId: 'ed25519:b', publicKey: b?.publicKey, validUntilTs: now + DAY, fetchedTs: now },
      { serverName: NAME, keyId: 'ed25519:old', publicKey: old.publicKey, validUntilTs: now - DAY, fetchedTs: now },
    ]);
  });

  it('believes no document for more than seven days', () => {
    expect(validity(signed({ valid_until_ts: now + 7 * DAY }))).toBe(7 * DAY);
    expect(validity(signed({ valid_until_ts: now + 7 * DAY + 1 }))).toBe(7 * DAY);
    expect(validity(signed({ valid_until_ts: Number.MAX_SAFE_INTEGER }))).toBe(7 * DAY);
  });

  it('gives a minute to a document of a clock that is late by up to fifteen', () => {
    expect(validity(signed({ valid_until_ts: now + 2 * MINUTE }))).toBe(2 * MINUTE);
    expect(validity(signed({ valid_until_ts: now - 10 * MINUTE }))).toBe(MINUTE);
    expect(validity(signed({ valid_until_ts: now - 15 * MINUTE }))).toBe(MINUTE);
    expect(checkKeyDocument(signed({ valid_until_ts: now - 15 * MINUTE - 1 }), NAME, now)).toBe('it has expired');
  });

  it('never calls an old key good, whatever time it gives', () => {
    const old = keyOf('old', 'old');
    for (const expired_ts of [now + DAY, 'soon', undefined, -1]) {
      const document = signed({ old_verify_keys: { [old.keyId]: { key: old.publicKey, expired_ts } } });
      const key = accepted(document).keys.find(({ keyId }) => keyId === old.keyId);
      expect(key?.validUntilTs).toBeLessThanOrEqual(now);
    }
  });

  it('does not take a key for current that is also called old', () => {
    const peer = server(['a', 'b']);
    peer.old = peer.keys.slice(0, 1).map((key) => ({ key, expiredTs: 5 }));
    expect(accepted(peer.document()).keys.map(({ keyId, validUntilTs }) => [keyId, validUntilTs])).toEqual([
      ['ed25519:b', now + DAY],
      ['ed25519:a', 5],
    ]);
  });

  it('leaves out keys of other algorithms and of the wrong shape', () => {
    const { publicKey } = keyOf('x', 'a');
    const verify_keys = {
      'ed25519:a': { key: `${publicKey}=` },
      'rsa:a': { key: publicKey },
      'ed25519:': { key: publicKey },
      'ed25519:a b': { key: publicKey },
      'ed25519:short': { key: 'abc' },
      'ed25519:number': { key: 5 },
      'ed25519:text': publicKey,
      'ed25519:null': null,
    };
    expect(accepted(signed({ verify_keys })).keys).toMatchObject([{ keyId: 'ed25519:a', publicKey }]);
  });

  it('needs only one of several keys to have signed', () => {
    const other = keyOf('other', 'other');
    const a = keyOf('x', 'a');
    const verify_keys = { 'ed25519:a': { key: a.publicKey }, 'ed25519:other': { key: other.publicKey } };
    expect(accepted(signed({ verify_keys })).keys).toHaveLength(2);
  });

  it('passes on the document with its author’s signatures, and without what is unsigned', () => {
    const { document } = accepted({
      ...signJson(signed({ more: { a: [1] } }), 'other.example', keyOf('y', 'y')),
      unsigned: { deep: 1 },
    });
    expect(document).toEqual(signed({ more: { a: [1] } }));
  });

  const a = keyOf('x', 'a');
  const many = (count: number) =>
    Object.fromEntries(
      Array.from({ length: count }, (_, i) => [i === 0 ? 'ed25519:a' : `ed25519:k${i}`, { key: a.publicKey }]),
    );

  it('takes 20 keys, and the newest 50 old ones', () => {
    expect(accepted(signed({ verify_keys: many(20) })).keys).toHaveLength(20);
    expect(checkKeyDocument(signed({ verify_keys: many(21) }), NAME, now)).toContain('more than 20');
    const old_verify_keys = Object.fromEntries(
      Array.from({ length: 60 }, (_, i) => [`ed25519:old${i}`, { key: a.publicKey, expired_ts: i }]),
    );
    const old = accepted(signed({ old_verify_keys })).keys.slice(1);
    expect(old).toHaveLength(50);
    expect(Math.min(...old.map((key) => key.validUntilTs))).toBe(10);
  });

  it.each<[string, unknown, string]>([
    ['null', null, 'not a JSON object'],
    ['a list', [], 'not a JSON object'],
    ['the document of another server', signJson({ server_name: 'other.example' }, NAME, a), 'of other.example'],
    ['no name', signed({ server_name: '' }), 'names no server'],
    ['a name that is not one', signed({ server_name: '<script>' }), 'names no server'],
    ['no validity', signed({ valid_until_ts: undefined }), 'valid_until_ts'],
    ['a validity in words', signed({ valid_until_ts: '9999999999999' }), 'valid_until_ts'],
    ['no keys', signed({ verify_keys: undefined }), 'no ed25519 key'],
    ['only other algorithms', signed({ verify_keys: { 'rsa:a': { key: a.publicKey } } }), 'no ed25519 key'],
    ['only old keys', signed({ old_verify_keys: { 'ed25519:a': { key: a.publicKey, expired_ts: 1 } } }), 'are old'],
    ['no signature', { ...signed({}), signatures: {} }, 'none of its own keys'],
    [
      'another server’s signature',
      signJson({ ...signed({}), signatures: {} }, 'other.example', a),
      'none of its own keys',
    ],
    [
      'a signature of a key that it does not publish',
      signed({ verify_keys: { 'ed25519:b': { key: a.publicKey } } }),
      'none of',
    ],
    [
      'a signature of an old key only',
      signed({
        verify_keys: { 'ed25519:b': { key: keyOf('b', 'b').publicKey } },
        old_verify_keys: { 'ed25519:a': { key: a.publicKey, expired_ts: 1 } },
      }),
      'none of',
    ],
    ['a changed validity', { ...signed({}), valid_until_ts: now + 2 * DAY }, 'ed25519:a is wrong'],
    [
      'an added key',
      {
        ...signed({}),
        verify_keys: { 'ed25519:a': { key: a.publicKey }, 'ed25519:evil': { key: keyOf('evil', 'evil').publicKey } },
      },
      'is wrong',
    ],
    ['a fraction', { ...signed({}), more: 0.5 }, 'is wrong'],
  ])('refuses %s', (_, document, words) => {
    expect(checkKeyDocument(document, NAME, now)).toContain(words);
  });

  it('refuses a wrong signature beside a good one', () => {
    const peer = server(['a', 'b']);
    const document = peer.document() as { signatures: Record<string, Record<string, string>> };
    const { 'ed25519:a': good = '' } = document.signatures[NAME] ?? {};
    const broken = { ...document, signatures: { [NAME]: { 'ed25519:a': good, 'ed25519:b': good } } };
    expect(checkKeyDocument(broken, NAME, now)).toBe('the signature of ed25519:b is wrong');
  });
});
