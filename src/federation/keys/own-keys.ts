/**
 * The keys that this server publishes, as the signed document of `GET /_matrix/key/v2/server`.
 *
 * Every current key is in it and has signed it. It is signed again when half of its life is over, so nobody gets one that is
 * about to expire. Source: Matrix specification, server-server API, "Publishing Keys".
 */
import { ConfigError } from '../../errors.ts';
import type { ServerName } from '../../matrix/identifiers.ts';
import type { Clock } from '../../ports/clock.ts';
import { isPublicKey, type SigningKey } from '../signing/ed25519.ts';
import { signJson } from '../signing/sign-json.ts';

/** A key that this server signed with before: `old_signing_keys` of the configuration. */
export interface OldSigningKey {
  /** Base64. */
  readonly key: string;
  readonly expiredTs: number;
}

export interface OwnKeysOptions {
  readonly serverName: ServerName;
  readonly keys: readonly SigningKey[];
  /** By key id. One that is current again is not published as old. */
  readonly oldKeys: ReadonlyMap<string, OldSigningKey>;
  /** `key_refresh_interval`: how long others may keep the document. */
  readonly refreshIntervalMs: number;
  readonly clock: Clock;
}

const KEY_ID = /^ed25519:[A-Za-z0-9_.-]{1,100}$/;

export class OwnKeys {
  readonly #options: OwnKeysOptions;
  #text = '';
  #signAgainAtTs = 0;

  /** @throws ConfigError when an old key is not one */
  constructor(options: OwnKeysOptions) {
    for (const [keyId, { key }] of options.oldKeys) {
      if (!KEY_ID.test(keyId)) {
        throw new ConfigError('a key id must be "ed25519:", letters, digits and _', ['old_signing_keys', keyId]);
      }
      if (!isPublicKey(key)) {
        throw new ConfigError('must be a public key: 32 bytes in base64', ['old_signing_keys', keyId, 'key']);
      }
    }
    this.#options = options;
  }

  /** The document as JSON, valid for at least half of the refresh interval. */
  text(): string {
    const { clock, refreshIntervalMs } = this.#options;
    const now = clock.now();
    if (now >= this.#signAgainAtTs) {
      this.#text = JSON.stringify(this.#sign(now + refreshIntervalMs));
      this.#signAgainAtTs = now + refreshIntervalMs / 2;
    }
    return this.#text;
  }

  #sign(validUntilTs: number): object {
    const { serverName, keys, oldKeys } = this.#options;
    const current = new Set(keys.map((key) => key.keyId));
    const old = [...oldKeys].filter(([keyId]) => !current.has(keyId));
    const document = {
      server_name: serverName,
      valid_until_ts: validUntilTs,
      verify_keys: Object.fromEntries(keys.map((key) => [key.keyId, { key: key.publicKey }])),
      old_verify_keys: Object.fromEntries(
        old.map(([keyId, { key, expiredTs }]) => [keyId, { key: key.replace(/=+$/, ''), expired_ts: expiredTs }]),
      ),
    };
    return keys.reduce((signed, key) => signJson(signed, serverName, key), document);
  }
}
