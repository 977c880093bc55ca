import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../adapters/memory/manual-clock.ts';
import { ConfigError } from '../../errors.ts';
import { signingKeyOf } from '../signing/ed25519.ts';
import { verifyJson } from '../signing/verify-json.ts';
import { type OldSigningKey, OwnKeys } from './own-keys.ts';

const DAY = 86_400_000;
const a = signingKeyOf('a', new Uint8Array(32).fill(1));
const b = signingKeyOf('b', new Uint8Array(32).fill(2));
const old = signingKeyOf('old', new Uint8Array(32).fill(3));

function ownKeys(oldKeys: Record<string, OldSigningKey> = {}, clock = new ManualClock()): OwnKeys {
  return new OwnKeys({
    serverName: 'us.example',
    keys: [a, b],
    oldKeys: new Map(Object.entries(oldKeys)),
    refreshIntervalMs: DAY,
    clock,
  });
}

describe('OwnKeys', () => {
  it('publishes every current key, each of which has signed, and the old ones', () => {
    const clock = new ManualClock();
    const document: unknown = JSON.parse(
      ownKeys({ [old.keyId]: { key: `${old.publicKey}=`, expiredTs: 5 } }, clock).text(),
    );
    expect(document).toEqual({
      server_name: 'us.example',
      valid_until_ts: clock.now() + DAY,
      verify_keys: { 'ed25519:a': { key: a.publicKey }, 'ed25519:b': { key: b.publicKey } },
      old_verify_keys: { 'ed25519:old': { key: old.publicKey, expired_ts: 5 } },
      signatures: { 'us.example': { 'ed25519:a': expect.any(String), 'ed25519:b': expect.any(String) } },
    });
    for (const key of [a, b]) expect(verifyJson(document, 'us.example', key.keyId, key.publicKey)).toBe(true);
  });

  it('signs again when half of the interval is over, not before', async () => {
    const clock = new ManualClock();
    const keys = ownKeys({}, clock);
    const first = keys.text();
    await clock.advance(DAY / 2 - 1);
    expect(keys.text()).toBe(first);
    await clock.advance(1);
    const second = JSON.parse(keys.text());
    expect(second.valid_until_ts).toBe(clock.now() + DAY);
    expect(verifyJson(second, 'us.example', a.keyId, a.publicKey)).toBe(true);
  });

  it('does not call a current key old', () => {
    const document = JSON.parse(ownKeys({ 'ed25519:a': { key: a.publicKey, expiredTs: 5 } }).text());
    expect(document.old_verify_keys).toEqual({});
  });

  it.each([
    [{ 'ed25519:x': { key: 'short', expiredTs: 5 } }, ['old_signing_keys', 'ed25519:x', 'key']],
    [{ 'rsa:x': { key: old.publicKey, expiredTs: 5 } }, ['old_signing_keys', 'rsa:x']],
  ])('refuses %j as an old key, and says where it is', (oldKeys, path) => {
    try {
      ownKeys(oldKeys);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(ConfigError);
      expect(error).toMatchObject({ path });
    }
  });
});
