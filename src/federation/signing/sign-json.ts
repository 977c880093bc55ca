/**
 * Signs a JSON object: everything in it but `signatures` and `unsigned`, in canonical form.
 *
 * Source: Matrix specification, appendices, "Signing JSON".
 */
import { canonicalJson } from '../../matrix/canonical-json.ts';
import type { ServerName } from '../../matrix/identifiers.ts';
import type { SigningKey } from './ed25519.ts';

/** By server name, then by key id: unpadded base64. */
export type Signatures = Readonly<Record<string, Readonly<Record<string, string>>>>;

/**
 * Returns a copy of `value` with our signature added to those it has.
 *
 * @throws CanonicalJsonError when `value` has no canonical form
 */
export function signJson<T extends object>(
  value: T,
  serverName: ServerName,
  key: SigningKey,
): T & { readonly signatures: Signatures } {
  const { signatures = {} } = value as { signatures?: Signatures };
  const ours = { ...signatures[serverName], [key.keyId]: key.sign(signedText(value)) };
  return { ...value, signatures: { ...signatures, [serverName]: ours } };
}

/** What a signature of `value` is made over. */
export function signedText(value: object): string {
  return canonicalJson({ ...value, signatures: undefined, unsigned: undefined });
}
