/**
 * Says what is wrong with a file of certificate authorities.
 *
 * TLS itself takes any text and trusts what it finds in it, which may be nobody: then no other server could be reached, and nothing would say why.
 */
import { X509Certificate } from 'node:crypto';

const BLOCK =
  /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[\s\S]*?(?:-----END (?:X509 |TRUSTED )?CERTIFICATE-----|$)/g;

/** Null if the text has one certificate in PEM form at least, and no broken ones. */
export function certificateProblem(text: string): string | null {
  const blocks = text.match(BLOCK) ?? [];
  if (blocks.length === 0) return 'the file has no certificate in PEM form ("-----BEGIN CERTIFICATE-----")';
  for (const [index, block] of blocks.entries()) {
    try {
      void new X509Certificate(block).raw;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return `certificate ${index + 1} of the file cannot be read: ${reason}`;
    }
  }
  return null;
}
