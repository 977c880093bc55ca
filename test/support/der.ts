/**
 * The few lines of DER (ITU-T X.690) that a certificate needs: tag, length, content. For tests only.
 */

export function der(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  return Buffer.concat([Buffer.from([tag]), length(content.length), content]);
}

export const sequence = (...contents: readonly Uint8Array[]) => der(0x30, ...contents);
export const set = (...contents: readonly Uint8Array[]) => der(0x31, ...contents);
/** `[number] EXPLICIT`, and constructed. */
export const explicit = (number: number, ...contents: readonly Uint8Array[]) => der(0xa0 + number, ...contents);
/** `[number] IMPLICIT` of something primitive. */
export const implicit = (number: number, content: Uint8Array) => der(0x80 + number, content);
export const octetString = (content: Uint8Array) => der(0x04, content);
export const bitString = (content: Uint8Array, unusedBits = 0) => der(0x03, Buffer.from([unusedBits]), content);
export const boolean = (value: boolean) => der(0x01, Buffer.from([value ? 0xff : 0]));
export const utf8String = (value: string) => der(0x0c, Buffer.from(value));

/** A positive integer, from its bytes, the highest first. */
export function integer(bytes: Uint8Array): Buffer {
  const start = bytes.findIndex((byte) => byte !== 0);
  const digits = start < 0 ? Buffer.from([0]) : bytes.subarray(start);
  return der(0x02, (digits[0] ?? 0) >= 0x80 ? Buffer.from([0]) : Buffer.alloc(0), digits);
}

/** `1.2.840.10045.4.3.2` */
export function objectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes = [first * 40 + second];
  for (const arc of rest) {
    const digits = [arc % 128];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) digits.unshift((left % 128) + 128);
    bytes.push(...digits);
  }
  return der(0x06, Buffer.from(bytes));
}

/** UTCTime until 2049, GeneralizedTime from then on, as RFC 5280 wants it. */
export function time(date: Date): Buffer {
  const digits = `${date.toISOString().slice(0, 19).replace(/[-:T]/g, '')}Z`;
  return date.getUTCFullYear() < 2050 ? der(0x17, Buffer.from(digits.slice(2))) : der(0x18, Buffer.from(digits));
}

function length(value: number): Buffer {
  if (value < 0x80) return Buffer.from([value]);
  const digits: number[] = [];
  for (let left = value; left > 0; left = Math.floor(left / 256)) digits.unshift(left % 256);
  return Buffer.from([0x80 + digits.length, ...digits]);
}
