/**
 * Words for values that come from modules. Nothing is trusted: getters and `toString` may throw, proxies may lie.
 */

const MAX_LENGTH = 500;

/** A short name of what kind of thing a value is: `null`, `a string`, `an array`, `a Map`. Never throws. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'function') return 'a function';
  if (typeof value !== 'object') return withArticle(typeof value);
  try {
    if (Array.isArray(value)) return 'an array';
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === null || prototype === Object.prototype) return 'a plain object';
    const { constructor } = value;
    const name: unknown = typeof constructor === 'function' ? constructor.name : '';
    return typeof name === 'string' && name !== '' ? withArticle(name) : 'an object';
  } catch {
    return 'an object';
  }
}

/** The value itself where it is short, for messages: `"dnd"`, `42`, `a Map`. Never throws. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 100 ? `${value.slice(0, 100)}…` : value);
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return kindOf(value);
}

/**
 * An ordinary Error that says what was thrown, whatever it was. Safe to log: its members are plain strings.
 *
 * @returns its `message` is the thrown error's own, or a description of the value; its `stack` leads into the module
 */
export function toPlainError(thrown: unknown): Error {
  const message = readString(thrown, 'message');
  const plain = new Error(message ?? `${show(thrown)} was thrown`);
  const stack = readString(thrown, 'stack');
  const name = readString(thrown, 'name');
  if (name !== undefined && message !== undefined) plain.name = name;
  plain.stack = stack ?? `${plain.name}: ${plain.message}`;
  return plain;
}

function readString(value: unknown, key: 'message' | 'stack' | 'name'): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  try {
    const read: unknown = (value as Record<string, unknown>)[key];
    if (typeof read !== 'string' || read === '') return undefined;
    return key === 'stack' ? read.slice(0, 20 * MAX_LENGTH) : read.slice(0, MAX_LENGTH);
  } catch {
    return undefined;
  }
}

function withArticle(word: string): string {
  return `${/^[aeiou]/i.test(word) ? 'an' : 'a'} ${word}`;
}
