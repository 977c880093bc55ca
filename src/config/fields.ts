/**
 * The kinds of values a configuration has, each with the sentence that says how it should look.
 *
 * A message starts with "must be …", so that the path in front of it and the value behind it make a sentence.
 */
import { z } from 'zod';
import { parseDuration, parseSize } from './units.ts';

/** What every section should look like. */
export const SECTION = 'must be a section: indented lines of "key: value"';

/** A mapping with exactly these keys; a key that is not among them is an issue `unrecognized_keys`. */
export function section<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'invalid_type' ? SECTION : undefined),
  });
}

/** A mapping with any keys, which an administrator or a module chooses. */
export function mapping<Value extends z.ZodType>(value: Value) {
  return z.record(z.string(), value, { error: SECTION });
}

export function flag() {
  return z.preprocess(readYesNo, z.boolean({ error: 'must be true or false' })).meta({ type: 'boolean' });
}

/** YAML 1.1, which the reference server reads, has four more spellings of the two words. */
function readYesNo(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  const word = value.toLowerCase();
  if (word === 'yes' || word === 'on' || word === 'true') return true;
  return word === 'no' || word === 'off' || word === 'false' ? false : value;
}

export function text(expected = 'must be a text that is not empty') {
  return z.string({ error: expected }).min(1, { error: expected });
}

export function checkedText(test: (value: string) => boolean, expected: string) {
  return text(expected).refine(test, { error: expected });
}

export function filePath() {
  return text('must be a path, absolute or relative to the folder of this file');
}

export function list<Item extends z.ZodType>(item: Item) {
  return z.array(item, { error: 'must be a list: one "- value" a line' });
}

export function wholeNumber(limits: { readonly min: number; readonly max?: number }) {
  const { min, max } = limits;
  const expected = `must be a whole number ${max === undefined ? `of at least ${min}` : `from ${min} to ${max}`}`;
  const number = z.int({ error: expected }).min(min, { error: expected });
  return max === undefined ? number : number.max(max, { error: expected });
}

export function positiveNumber() {
  const expected = 'must be a number greater than 0';
  return z.number({ error: expected }).positive({ error: expected });
}

export function oneOf<const Values extends readonly string[]>(values: Values) {
  return z.enum(values, { error: `must be one of: ${values.join(', ')}` });
}

/** Milliseconds; greater than 0, or from 0 on with `zero`. */
export function duration(options: { readonly zero?: boolean } = {}) {
  const above = options.zero === true ? 'of 0 or more' : 'greater than 0';
  const expected = `must be a duration ${above}: a number with s, m, h, d, w or y (such as "30s"), or milliseconds`;
  return withUnit(parseDuration, options.zero === true ? 0 : 1, expected);
}

/** Bytes, at least 1. */
export function size() {
  return withUnit(parseSize, 1, 'must be a size: a number of bytes, or a number with K, M, G or T (such as "50M")');
}

function withUnit(parse: (value: unknown) => number | null, min: number, expected: string) {
  return z.union([z.int(), z.string()], { error: expected }).transform((value, context) => {
    const parsed = parse(value);
    if (parsed !== null && parsed >= min) return parsed;
    context.issues.push({ code: 'custom', input: value, message: expected });
    return z.NEVER;
  });
}
