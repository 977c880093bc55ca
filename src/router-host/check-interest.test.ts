import { describe, expect, it } from 'vitest';
import { createTestRouter, endless, raise } from '../../test/support/host-context.ts';
import type { Interest } from './router-api.ts';

/** Asks once for each value, in order; the last answer. */
function interestOf(values: readonly unknown[], maxEntries = 100_000) {
  const queue = [...values];
  const { router, calls, dropped } = createTestRouter([{ getInterestedUsers: () => queue.shift() }], { maxEntries });
  const answers = values.map(() => router.getInterestedUsers('@x:test') as Interest);
  return {
    answers,
    last: answers.at(-1),
    dropped: (reason: string) => dropped('getInterestedUsers', reason),
    outcome: (outcome: string) => calls('a', 'getInterestedUsers', outcome),
  };
}

describe('what getInterestedUsers returns', () => {
  it('row 102: may be any iterable of user ids', () => {
    function* generator() {
      yield '@a:test';
      yield '@b:island';
    }
    const ids = ['@a:test', '@b:island'];
    for (const value of [ids, Object.freeze([...ids]), new Set(ids), generator()]) {
      expect(interestOf([value]).last).toEqual(ids);
    }
  });

  it('is read once when it is a frozen array, unless it is too long or was wrong somewhere', () => {
    const ids = Object.freeze(['@a:test', '@b:test', '@c:test']);
    expect(interestOf([ids]).last).toBe(interestOf([ids]).last);
    const shorter = interestOf([ids], 2);
    expect(shorter.last).toEqual(['@a:test', '@b:test']);
    expect(shorter.dropped('too_many')).toBe(1);
    const wrong = Object.freeze(['@a:test', 'nobody']);
    expect(interestOf([wrong]).dropped('user_id')).toBe(1);
    expect(interestOf([wrong]).dropped('user_id')).toBe(1);
    const thawed = ['@a:test'];
    expect(interestOf([thawed]).last).toEqual(['@a:test']);
    thawed.push('@b:test');
    expect(interestOf([thawed]).last).toEqual(['@a:test', '@b:test']);
    const trap = { isExtensible: () => raise('trap'), ownKeys: () => raise('trap') };
    expect(interestOf([new Proxy(ids, trap)]).last).toEqual(ids);
  });

  it('may be PRESENCE_ALL_USERS', () => {
    expect(interestOf(['ALL']).last).toBe('ALL');
  });

  it('of a wrong type is refused whole and counted; another string is one', () => {
    for (const value of ['all', '', '@a:test', new String('ALL'), null, undefined, 7, {}, () => ['@a:test']]) {
      const result = interestOf([value]);
      expect(result.last).toEqual([]);
      expect(result.outcome('invalid_return')).toBe(1);
    }
  });

  it('costs only the entry when one is no user id', () => {
    const result = interestOf([['nouser', 7, null, 'ALL', '@a:test', ['@b:test'], '@c:test']]);
    expect(result.last).toEqual(['@a:test', '@c:test']);
    expect(result.dropped('user_id')).toBe(5);
    expect(result.outcome('ok')).toBe(1);
  });

  it('has no duplicates', () => {
    expect(interestOf([['@a:test', '@b:test', '@a:test']]).last).toEqual(['@a:test', '@b:test']);
  });

  it('keeps what came before a throw', () => {
    function* breaks() {
      yield '@a:test';
      raise('half way');
    }
    const result = interestOf([breaks()]);
    expect(result.last).toEqual(['@a:test']);
    expect(result.dropped('threw')).toBe(1);
  });

  it('is read up to max_entries, inclusively', () => {
    const ids = (count: number) => Array.from({ length: count }, (_, index) => `@t${index}:test`);
    expect(interestOf([ids(10)], 10).dropped('too_many')).toBe(0);
    expect(interestOf([ids(11)], 10).last).toEqual(ids(10));
    expect(interestOf([endless(() => 'garbage')], 10).dropped('too_many')).toBe(1);
    expect(interestOf([ids(1_000_000)]).last).toHaveLength(100_000);
  });

  it('is the very same array as long as it says the same, in whatever order or form', () => {
    const { answers } = interestOf([
      ['@a:test', '@b:test'],
      new Set(['@a:test', '@b:test']),
      ['@b:test', '@a:test', '@b:test'],
    ]);
    expect(answers[1]).toBe(answers[0]);
    expect(answers[2]).toBe(answers[0]);
  });

  it('notices one more, one less, another one, none, and back', () => {
    const history = [
      ['@a:test', '@b:test'],
      ['@a:test', '@b:test', '@c:test'],
      ['@a:test', '@c:test'],
      ['@a:test'],
      ['@b:test'],
      [],
      ['@a:test', '@b:test'],
    ];
    expect(interestOf(history).answers).toEqual(history);
  });

  it('is frozen: nobody can change what is remembered', () => {
    expect(Object.isFrozen(interestOf([['@a:test']]).last)).toBe(true);
  });
});
