/**
 * Canonical JSON: the one text of a JSON value, for hashes and signatures.
 *
 * Source: Matrix specification, appendices, "Canonical JSON": no spaces, keys sorted by code point, only whole numbers in
 * [−(2^53)+1, (2^53)−1], shortest escapes, UTF-8.
 */
import { PresenceError } from '../errors.ts';

/** The value cannot be written canonically: a fraction, a number too large, a lone surrogate, or nested too deep. */
export class CanonicalJsonError extends PresenceError {
  override name = 'CanonicalJsonError';

  constructor(message: string) {
    super('PRESENCE_ERR_CANONICAL_JSON', message);
  }
}

/** Deeper values are refused: far beyond any event, and far from the end of the stack. */
const MAX_DEPTH = 200;

/**
 * Returns the canonical text of a JSON value. Members that are `undefined` are left out.
 *
 * @throws CanonicalJsonError when the value has none
 */
export function canonicalJson(value: unknown): string {
  return write(value, 0);
}

function write(value: unknown, depth: number): string {
  if (depth > MAX_DEPTH) throw new CanonicalJsonError(`nested more than ${MAX_DEPTH} deep`);
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new CanonicalJsonError(`${value} is not a whole number below 2^53`);
    return String(value === 0 ? 0 : value);
  }
  if (typeof value === 'string') return writeText(value);
  if (Array.isArray(value)) return writeList(value, depth + 1);
  if (typeof value !== 'object') throw new CanonicalJsonError(`a ${typeof value} is not JSON`);
  return writeObject(value as Readonly<Record<string, unknown>>, depth + 1);
}

function writeList(list: readonly unknown[], depth: number): string {
  let text = '';
  for (const item of list) text += text === '' ? write(item, depth) : `,${write(item, depth)}`;
  return `[${text}]`;
}

function writeObject(value: Readonly<Record<string, unknown>>, depth: number): string {
  let text = '';
  for (const key of sortedKeys(value)) {
    const member = value[key];
    if (member !== undefined) text += `${text === '' ? '' : ','}${writeText(key)}:${write(member, depth)}`;
  }
  return `{${text}}`;
}

/** Most objects come from a place that writes them in order, and most keys have nothing in which the two orders differ. */
function sortedKeys(value: object): readonly string[] {
  const keys = Object.keys(value);
  let last = '';
  for (const key of keys) {
    if (key < last || SURROGATE_OR_LATER.test(key)) return keys.sort(compareCodePoints);
    last = key;
  }
  return keys;
}

const SURROGATE_OR_LATER = /[\ud800-\uffff]/;
/** What JSON writes as it is, in quotes. */
const PLAIN = /^[ !#-[\]-~]*$/;

function writeText(text: string): string {
  if (PLAIN.test(text)) return `"${text}"`;
  // JSON.stringify escapes exactly what must be escaped, and half a surrogate pair, which has no UTF-8.
  const written = JSON.stringify(text);
  if (/\\ud[89a-f][0-9a-f]{2}/.test(written) && !isWellFormed(text)) {
    throw new CanonicalJsonError('a text contains half a surrogate pair');
  }
  return written;
}

function isWellFormed(text: string): boolean {
  return !/[\ud800-\udfff]/u.test(text);
}

/** UTF-16 order differs from code point order where a surrogate meets a character from U+E000 on. */
function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i += 1) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    const xHigh = x >= 0xd800 && x <= 0xdfff;
    const yHigh = y >= 0xd800 && y <= 0xdfff;
    return xHigh === yHigh ? x - y : xHigh ? 1 : -1;
  }
  return a.length - b.length;
}
