import { describe, expect, it } from 'vitest';
import { endless, raise } from '../../test/support/host-context.ts';
import type { Observer, RestrictionAnswer } from '../core/engine-api.ts';
import { Form } from '../core/forms.ts';
import { Invalid } from './callback-runner.ts';
import { checkRestrictions } from './check-restrictions.ts';
import { KnownIds } from './known-ids.ts';

const { FULL, NO_CURRENTLY_ACTIVE, NO_LAST_ACTIVE, NO_STATUS, OFFLINE, DENIED } = Form;

/** Asks about a and b of this server, and about the server `island`. */
function check(
  value: unknown,
  {
    asked = ['@a:test', '@b:test', 'island'],
    maxEntries = 100,
  }: { asked?: readonly Observer[]; maxEntries?: number } = {},
) {
  const dropped: [reason: string, value?: unknown][] = [];
  const rules = { ids: new KnownIds(), maxEntries, serverName: 'test' };
  const answer = checkRestrictions(value, { source: '@u:test', observers: asked }, rules, (...drop) =>
    dropped.push(drop),
  );
  return { answer, dropped };
}

/** What a good answer says, and that nothing of it was dropped. */
function formsOf(value: unknown, asked?: readonly Observer[]): RestrictionAnswer {
  const { answer, dropped } = check(value, asked && { asked });
  expect(dropped).toEqual([]);
  if (answer instanceof Invalid) throw new Error(answer.message);
  return answer;
}

describe('an answer about restrictions', () => {
  it('may be nothing, which is about everybody', () => {
    for (const nothing of [undefined, null]) {
      expect(formsOf(nothing)).toEqual({ others: FULL, observers: new Map() });
    }
  });

  it.each([
    ['deny', DENIED],
    ['offline', OFFLINE],
    [{ hide: ['last_active_ago'] }, NO_LAST_ACTIVE],
    [{ hide: new Set(['currently_active', 'status_msg']) }, NO_CURRENTLY_ACTIVE | NO_STATUS],
    [
      {
        hide: (function* () {
          yield 'status_msg';
          yield 'status_msg';
        })(),
      },
      NO_STATUS,
    ],
    [{ hide: [] }, FULL],
    [Object.assign(Object.create(null), { hide: ['status_msg'] }), NO_STATUS],
    [
      new (class {
        hide = ['status_msg'];
      })(),
      NO_STATUS,
    ],
  ])('may be one restriction, for everybody: %j', (value, form) => {
    expect(formsOf(value)).toEqual({ others: form, observers: new Map() });
  });

  it('may be a Map of them: it is about those asked about, and whom it does not name gets everything', () => {
    const map = new Map<string, unknown>([
      ['@a:test', 'deny'],
      ['island', { hide: ['status_msg'] }],
    ]);
    expect(formsOf(map)).toEqual({
      others: null,
      observers: new Map([
        ['@a:test', DENIED],
        ['island', NO_STATUS],
      ]),
    });
    expect(formsOf(new Map())).toEqual({ others: null, observers: new Map() });
    expect(
      formsOf(
        new Map([
          ['@a:test', null],
          ['@b:test', undefined],
        ]),
      ),
    ).toEqual({ others: null, observers: new Map() });
  });

  it('may be a plain object, with or without a prototype', () => {
    const entries = { '@a:test': 'offline', '@b:test': null };
    for (const value of [entries, Object.assign(Object.create(null), entries), Object.freeze({ ...entries })]) {
      expect(formsOf(value)).toEqual({ others: null, observers: new Map([['@a:test', OFFLINE]]) });
    }
    expect(formsOf({})).toEqual({ others: null, observers: new Map() });
  });

  it('is about everybody when it says what holds for everybody else, wherever that stands', () => {
    const friendsOnly = { others: DENIED, observers: new Map([['@friend:test', FULL]]) };
    expect(
      formsOf(
        new Map([
          ['*', 'deny'],
          ['@friend:test', null],
        ]),
      ),
    ).toEqual(friendsOnly);
    expect(formsOf({ '@friend:test': null, '*': 'deny' })).toEqual(friendsOnly);
    expect(formsOf({ '*': null, '@a:test': 'deny' })).toEqual({
      others: FULL,
      observers: new Map([['@a:test', DENIED]]),
    });
  });

  it('leaves out what goes without saying: what holds for everybody else, the source itself, and most of those not asked about', () => {
    expect(formsOf({ '@u:test': 'deny', '@a:test': 'deny', '@b:test': null }).observers).toEqual(
      new Map([['@a:test', DENIED]]),
    );
    expect(formsOf({ '*': 'deny', '@a:test': 'deny', '@b:test': 'offline', '@u:test': null }).observers).toEqual(
      new Map([['@b:test', OFFLINE]]),
    );
    const many = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`@${index}:test`, 'deny']));
    expect(formsOf(many, ['@7:test', '@77:test']).observers).toEqual(new Map([['@7:test', DENIED]]));
  });

  it.each([
    [7, 'a number'],
    [true, 'a boolean'],
    [false, 'a boolean'],
    ['', 'the string ""'],
    ['denied', 'the string "denied"'],
    [['@a:test'], 'an array'],
    [new Set(['@a:test']), 'a Set'],
    [() => 'deny', 'a function'],
    [{ hide: 'status_msg' }, 'an object whose `hide` lists no fields that there are'],
    [{ hide: ['status'] }, 'an object whose `hide` lists no fields that there are'],
    [{ hide: endless(() => 'status_msg') }, 'an object whose `hide` lists no fields that there are'],
    [{ hide: ['status_msg'], '@a:test': 'deny' }, 'an object with `hide` and other keys'],
  ])('of a wrong type is refused whole: %j', (value, what) => {
    const { answer } = check(value);
    expect(answer).toBeInstanceOf(Invalid);
    expect((answer as Invalid).message).toBe(
      `returned ${what}; it should be nothing, 'deny', 'offline', { hide: […] }, or a Map or a plain object from observer to one of these`,
    );
  });

  it('throws on when reading it whole throws: that is the module’s failure', () => {
    expect(() =>
      check({
        get hide() {
          return raise(new Error('no'));
        },
      }),
    ).toThrow('no');
    expect(() => check(new Proxy({}, { getPrototypeOf: () => raise(new Error('no')) }))).toThrow('no');
  });
});

describe('a bad entry', () => {
  it.each([
    ['a word that is none', 'denied'],
    ['an array of fields', ['status_msg']],
    ['a number', 0],
    ['a field that is none', { hide: ['status_msg', 'presence'] }],
    ['a string of fields', { hide: 'status_msg' }],
    ['an endless list', { hide: endless(() => 'status_msg') }],
    ['an object without fields', {}],
  ])('row 320: denies whom it names: %s', (_what, value) => {
    const { answer, dropped } = check(
      new Map([
        ['@a:test', value],
        ['@b:test', 'offline'],
      ]),
    );
    expect(answer).toEqual({
      others: null,
      observers: new Map([
        ['@a:test', DENIED],
        ['@b:test', OFFLINE],
      ]),
    });
    expect(dropped).toEqual([['not_a_restriction', value]]);
  });

  it('row 320: denies whom it names when it throws, too', () => {
    const error = new Error('no');
    const { answer, dropped } = check({
      get '@a:test'() {
        return raise(error);
      },
      '@b:test': { hide: { [Symbol.iterator]: () => raise(error) } },
      island: 'offline',
    });
    expect(answer).toMatchObject({
      observers: new Map([
        ['@a:test', DENIED],
        ['@b:test', DENIED],
        ['island', OFFLINE],
      ]),
    });
    expect(dropped).toEqual([
      ['threw', error],
      ['threw', error],
    ]);
  });

  it('about everybody else denies everybody else', () => {
    const { answer, dropped } = check({ '*': 'denied', '@a:test': null });
    expect(answer).toEqual({ others: DENIED, observers: new Map([['@a:test', FULL]]) });
    expect(dropped).toEqual([['not_a_restriction', 'denied']]);
  });

  it('that names nobody costs only itself', () => {
    const { answer, dropped } = check(
      new Map<unknown, unknown>([
        ['@alice', 'deny'],
        [7, 'deny'],
        ['@a:test', 'deny'],
      ]),
    );
    expect(answer).toEqual({ others: null, observers: new Map([['@a:test', DENIED]]) });
    expect(dropped).toEqual([
      ['not_an_observer', '@alice'],
      ['not_an_observer', 7],
    ]);
  });

  it('that names a user of another server denies that server, which alone could keep it from them', () => {
    const { answer, dropped } = check({ '@far:island': { hide: ['status_msg'] }, island: null, '@a:test': 'offline' });
    expect(answer).toMatchObject({
      observers: new Map([
        ['island', DENIED],
        ['@a:test', OFFLINE],
      ]),
    });
    expect(dropped).toEqual([['remote_user', '@far:island']]);
    // A permission for one of its users is none for all of them.
    expect(check({ '@far:island': null, '*': 'deny' }).answer).toEqual({ others: DENIED, observers: new Map() });
  });
});

describe('an answer that is too large', () => {
  it('is read up to max_entries, inclusively', () => {
    const map = new Map([
      ['@a:test', 'offline'],
      ['@b:test', null],
    ]);
    expect(check(map, { maxEntries: 2 })).toMatchObject({
      dropped: [],
      answer: { observers: new Map([['@a:test', OFFLINE]]) },
    });
  });

  it('denies those whom it had not named until then', () => {
    const map = new Map([
      ['@a:test', 'offline'],
      ['@x:test', null],
      ['@b:test', null],
    ]);
    const { answer, dropped } = check(map, { maxEntries: 2 });
    expect(dropped).toEqual([['too_many']]);
    expect(answer).toEqual({
      others: null,
      observers: new Map([
        ['@a:test', OFFLINE],
        ['@b:test', DENIED],
        ['island', DENIED],
      ]),
    });
  });

  it('denies everybody else when it is about everybody', () => {
    const map = new Map([
      ['*', null],
      ['@a:test', null],
      ['@b:test', 'deny'],
    ]);
    expect(check(map, { maxEntries: 2 }).answer).toEqual({ others: DENIED, observers: new Map([['@a:test', FULL]]) });
  });
});

describe('the cost', () => {
  it('is that of the exceptions, not of those asked about', () => {
    const asked = new Proxy<Observer[]>(Array.from({ length: 10_000 }), {
      get: (target, key) => (key === 'length' ? target.length : raise(new Error('gone through'))),
    });
    expect(formsOf('deny', asked)).toMatchObject({ others: DENIED });
    expect(formsOf(new Map([['@7:test', 'deny']]), asked).observers).toEqual(new Map([['@7:test', DENIED]]));
    expect(formsOf({ '*': 'deny', '@7:test': null }, asked).observers).toEqual(new Map([['@7:test', FULL]]));
  });
});
