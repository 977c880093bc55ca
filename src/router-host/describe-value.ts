/**
 * Words for values that come from modules. Nothing is trusted: getters and `toString` may throw, proxies may lie.
 */
import { fileURLToPath } from 'node:url';

const MAX_LENGTH = 500;
const MAX_FRAMES = 5;
/** Where the server's own code is: under src, or under dist. */
const OWN_FOLDER = new URL('..', import.meta.url);
const OWN_FOLDERS = [fileURLToPath(OWN_FOLDER), OWN_FOLDER.href];

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
 * @returns its `message` is the thrown error's own, or a description of the value; its `stack` has the module's frames only,
 *   a few of them, and is empty without any
 */
export function toPlainError(thrown: unknown): Error {
  const message = readString(thrown, 'message');
  const plain = new Error(message ?? `${show(thrown)} was thrown`);
  const name = readString(thrown, 'name');
  if (name !== undefined && message !== undefined) plain.name = name;
  const frames = framesOutside(readString(thrown, 'stack') ?? '');
  plain.stack = frames.length === 0 ? '' : [`${plain.name}: ${plain.message}`, ...frames].join('\n');
  return plain;
}

/** Frames of a stack down to where the server called, without the server's own and Node's. */
function framesOutside(stack: string): string[] {
  const frames = stack.split('\n').filter((line) => /^\s+at /.test(line));
  const isOwn = (frame: string): boolean => OWN_FOLDERS.some((folder) => frame.includes(folder));
  // An error can be thrown by the server itself, for a call of the module's.
  const first = frames.findIndex((frame) => !isOwn(frame) && !/\(?node:/.test(frame));
  if (first < 0) return [];
  const module = frames.slice(first);
  const end = module.findIndex(isOwn);
  return module
    .slice(0, end < 0 ? undefined : end)
    .filter((frame) => !/[( ]node:|\(<anonymous>\)|at <anonymous>$/.test(frame))
    .slice(0, MAX_FRAMES);
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
