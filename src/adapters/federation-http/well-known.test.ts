/**
 * How long answers about delegation are kept, good and bad ones.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../memory/index.ts';
import type { Answer } from './exchange.ts';
import { StepFailure } from './step-failure.ts';
import { createWellKnown, type WellKnown } from './well-known.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

let clock: ManualClock;
let asked: string[];
let answer: (url: URL) => Answer;
let wellKnown: WellKnown;

const good = (server: string, headers = {}): Answer => ({
  httpStatus: 200,
  headers,
  body: JSON.stringify({ 'm.server': server }),
});
const broken = (): never => {
  throw new StepFailure('unreachable', 'nobody there');
};

beforeEach(() => {
  clock = new ManualClock();
  asked = [];
  wellKnown = createWellKnown({
    clock,
    maxEntries: 3,
    get: async (url) => {
      asked.push(url.href);
      return answer(url);
    },
  });
});

/** Lets the time pass minute by minute, asking at each, and returns the minutes at which the server was asked. */
async function askedWithin(minutes: number): Promise<number[]> {
  const at: number[] = [];
  for (let minute = 0; minute < minutes; minute++) {
    const before = asked.length;
    await wellKnown.find('one.test');
    if (asked.length > before) at.push(minute);
    await clock.advance(MINUTE_MS);
  }
  return at;
}

describe('a good answer', () => {
  it('is kept for a day, or as long as it says, but for two days at most', async () => {
    answer = () => good('two.test');
    expect(await askedWithin(24 * 60 + 1)).toEqual([0, 24 * 60]);
    answer = () => good('two.test', { 'cache-control': 'max-age=9999999' });
    await clock.advance(48 * HOUR_MS);
    expect(await askedWithin(48 * 60 + 1)).toEqual([0, 48 * 60]);
  });

  it('is kept for five minutes even if it wants not to be', async () => {
    answer = () => good('two.test', { 'cache-control': 'no-store' });
    expect(await askedWithin(11)).toEqual([0, 5, 10]);
  });

  it('is the name as it was written', async () => {
    answer = () => good('[::1]:8449');
    expect((await wellKnown.find('one.test')).delegation).toEqual({
      name: '[::1]:8449',
      parts: { host: '::1', port: 8449, family: 6 },
    });
    expect(asked).toEqual(['https://one.test/.well-known/matrix/server']);
  });
});

describe('a failure', () => {
  it.each([
    ['of the connection', broken],
    ['of the content', () => ({ httpStatus: 404, headers: { 'cache-control': 'max-age=864000' }, body: '' })],
  ])('%s is asked about again after ever longer, an hour at most', async (_what, answered) => {
    answer = answered;
    expect(await askedWithin(250)).toEqual([0, 1, 3, 7, 15, 31, 63, 123, 183, 243]);
  });

  it('starts from the beginning after a success', async () => {
    answer = broken;
    await askedWithin(8);
    answer = () => good('two.test', { 'cache-control': 'max-age=0' });
    await clock.advance(HOUR_MS);
    await wellKnown.find('one.test');
    answer = () => ({ httpStatus: 404, headers: {}, body: '' });
    await clock.advance(5 * MINUTE_MS);
    expect(await askedWithin(4)).toEqual([0, 1, 3]);
  });

  it('does not end a delegation at once: for an hour it is used still', async () => {
    answer = () => good('two.test', { 'cache-control': 'max-age=600' });
    await wellKnown.find('one.test');
    answer = broken;
    await clock.advance(10 * MINUTE_MS);
    expect((await wellKnown.find('one.test')).delegation?.name).toBe('two.test');
    await clock.advance(59 * MINUTE_MS);
    expect((await wellKnown.find('one.test')).delegation?.name).toBe('two.test');
    await clock.advance(MINUTE_MS);
    expect(await wellKnown.find('one.test')).toMatchObject({ delegation: null, reason: 'nobody there' });
  });

  it('that is an answer ends it', async () => {
    answer = () => good('two.test', { 'cache-control': 'max-age=600' });
    await wellKnown.find('one.test');
    answer = () => ({ httpStatus: 404, headers: {}, body: '' });
    await clock.advance(10 * MINUTE_MS);
    expect(await wellKnown.find('one.test')).toMatchObject({ delegation: null, reason: 'HTTP status 404' });
  });
});

it('keeps a limited number of answers', async () => {
  answer = () => good('two.test');
  for (const host of ['a', 'b', 'c', 'a', 'd', 'a', 'b']) await wellKnown.find(host);
  expect(asked.map((url) => url[8])).toEqual(['a', 'b', 'c', 'd', 'b']);
});
