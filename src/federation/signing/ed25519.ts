/**
 * Ed25519 with Node's own crypto: a signing key from its seed, and checking signatures.
 *
 * Node takes keys in DER; in front of the 32 bytes that is always the same prefix. Making a key object of a public key costs as
 * much as half a check, so those in use are kept. Source: RFC 8032, RFC 8410; Matrix specification, appendices, "Signing Details".
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { LruMap } from '../../ports/lru-map.ts';
import { decodeBase64, encodeBase64 } from './base64.ts';

/** One of this server's keys. The private part stays inside. */
export interface SigningKey {
  /** `ed25519:abc` */
  readonly keyId: string;
  /** Unpadded base64. */
  readonly publicKey: string;
  /** Returns the signature in unpadded base64. Text is signed as UTF-8. */
  sign(text: string | Uint8Array): string;
}

export const SEED_BYTES = 32;
const PUBLIC_KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
const PRIVATE_KEY_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');
const PUBLIC_KEY_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');
/** About 1 kB each. */
const MAX_KEPT_KEYS = 1_000;

const kept = new LruMap<string, KeyObject>(MAX_KEPT_KEYS);

/**
 * Makes the signing key of a 32-byte seed.
 *
 * @param version - what comes after `ed25519:` in the key's id
 */
export function signingKeyOf(version: string, seed: Uint8Array): SigningKey {
  if (seed.length !== SEED_BYTES) throw new RangeError(`a seed has ${SEED_BYTES} bytes, not ${seed.length}`);
  const privateKey = createPrivateKey({
    key: Buffer.concat([PRIVATE_KEY_PREFIX, seed]),
    format: 'der',
    type: 'pkcs8',
  });
  const publicDer = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  return {
    keyId: `ed25519:${version}`,
    publicKey: encodeBase64(publicDer.subarray(PUBLIC_KEY_PREFIX.length)),
    sign: (text) => encodeBase64(sign(null, typeof text === 'string' ? Buffer.from(text) : text, privateKey)),
  };
}

/** Whether `text` is the base64 of something that can be an Ed25519 public key. */
export function isPublicKey(text: unknown): text is string {
  return typeof text === 'string' && text.length <= 48 && decodeBase64(text)?.length === PUBLIC_KEY_BYTES;
}

/** Whether `signature` was made over `text` by the owner of `publicKey` (both base64). Nonsense in either is false. */
export function verifySignature(text: string | Uint8Array, signature: string, publicKey: string): boolean {
  if (signature.length > 96) return false;
  const bytes = decodeBase64(signature);
  if (bytes?.length !== SIGNATURE_BYTES) return false;
  const key = keyObjectOf(publicKey);
  if (key === null) return false;
  return verify(null, typeof text === 'string' ? Buffer.from(text) : text, key, bytes);
}

function keyObjectOf(publicKey: string): KeyObject | null {
  const known = kept.get(publicKey);
  if (known !== undefined) return known;
  if (!isPublicKey(publicKey)) return null;
  const bytes = decodeBase64(publicKey) ?? new Uint8Array();
  const key = createPublicKey({ key: Buffer.concat([PUBLIC_KEY_PREFIX, bytes]), format: 'der', type: 'spki' });
  kept.set(publicKey, key);
  return key;
}
