/**
 * Unpadded base64, as keys and signatures are written.
 *
 * Written without padding in the standard alphabet; read with or without padding, in the standard and the URL-safe one.
 * Source: Matrix specification, appendices, "Unpadded Base64".
 */

const BASE64 = /^[A-Za-z0-9+/_-]*={0,2}$/;

export function encodeBase64(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
  return text.replace(/=+$/, '');
}

/** The bytes, or null when `text` is not base64: a foreign character, padding that does not fit, or a lone last character. */
export function decodeBase64(text: string): Uint8Array | null {
  if (!BASE64.test(text)) return null;
  const end = text.indexOf('=');
  const length = end === -1 ? text.length : end;
  if (length % 4 === 1 || (end !== -1 && text.length % 4 !== 0)) return null;
  return Buffer.from(text, 'base64');
}
