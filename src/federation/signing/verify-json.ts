/**
 * Checks the signature of a JSON object that came from outside.
 *
 * Source: Matrix specification, appendices, "Checking for a Signature".
 */
import { CanonicalJsonError } from '../../matrix/canonical-json.ts';
import type { ServerName } from '../../matrix/identifiers.ts';
import { verifySignature } from './ed25519.ts';
import { signedText } from './sign-json.ts';

/** Whether `value` is signed by `serverName` with the key of that id. Whatever is wrong with `value`: false. */
export function verifyJson(value: unknown, serverName: ServerName, keyId: string, publicKey: string): boolean {
  const signature = signaturesOf(value, serverName)[keyId];
  if (signature === undefined) return false;
  try {
    return verifySignature(signedText(value as object), signature, publicKey);
  } catch (error) {
    if (error instanceof CanonicalJsonError) return false;
    throw error;
  }
}

/** The signatures of one server by key id; what is not a text is left out. */
export function signaturesOf(value: unknown, serverName: ServerName): Readonly<Record<string, string>> {
  const ofServer = member(member(value, 'signatures'), serverName);
  if (typeof ofServer !== 'object' || ofServer === null) return Object.create(null);
  const texts: Record<string, string> = Object.create(null);
  for (const [keyId, signature] of Object.entries(ofServer)) {
    if (typeof signature === 'string') texts[keyId] = signature;
  }
  return texts;
}

function member(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Record<string, unknown>)[name];
}
