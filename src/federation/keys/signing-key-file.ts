/**
 * The file with this server's signing keys: `ed25519 <version> <seed in base64>`, a line each, the first is signed with.
 *
 * That is the format of other homeservers, so their files work as they are. Without a file one is made, for this user's eyes
 * only; an existing file is never written to.
 */
import { ConfigError } from '../../errors.ts';
import type { SigningKey } from '../signing/ed25519.ts';

export type { SigningKey } from '../signing/ed25519.ts';

/** Reads the keys, or makes the file with a new one. @throws ConfigError that names the file, and the line */
export function loadOrCreateSigningKey(path: string): readonly SigningKey[] {
  throw new ConfigError(`${path}: cannot be read yet`, ['signing_key_path']);
}
