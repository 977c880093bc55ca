import { expect, it } from 'vitest';
import { parseJson } from './read-body.ts';

const parse = (text: string): unknown => parseJson(Buffer.from(text));
const tooMany = expect.objectContaining({
  httpStatus: 400,
  errcode: 'M_BAD_JSON',
  message: 'The body has too many values',
});

it('refuses more values than anybody has to say, without parsing them', () => {
  expect(parse(`[${'1,'.repeat(199_999)}1]`)).toHaveLength(200_000);
  expect(() => parse(`[${'1,'.repeat(200_000)}1]`)).toThrow(tooMany);
  expect(() => parse(`[${'[],'.repeat(100_001)}1]`)).toThrow(tooMany);
  expect(() => parse(`{"a":[${'{"a":1,"a":2},'.repeat(70_000)}1]}`)).toThrow(tooMany);
});

it('does not count what is inside strings', () => {
  const text = '[,{'.repeat(100_000);
  expect(parse(JSON.stringify({ text, more: '"'.repeat(1000) }))).toHaveProperty('text', text);
});
