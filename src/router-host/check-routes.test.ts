import { describe, expect, it } from 'vitest';
import { createTestRouter, endless, raise, stateOf } from '../../test/support/host-context.ts';

const u = stateOf('@u:test');
const v = stateOf('@v:island');

/** What the router makes of one returned value. */
function routesOf(value: unknown, maxEntries = 100_000) {
  const { router, calls, dropped } = createTestRouter([{ getUsersForStates: () => value }], { maxEntries });
  const answer = router.getUsersForStates([u, v]);
  if (answer instanceof Promise) throw new Error('a promise');
  return {
    routes: Object.fromEntries(answer),
    dropped: (reason: string) => dropped('getUsersForStates', reason),
    outcome: (outcome: string) => calls('a', 'getUsersForStates', outcome),
  };
}

describe('what getUsersForStates returns', () => {
  it('may be a Map from user id to any iterable of updates', () => {
    function* generator() {
      yield u;
      yield v;
    }
    for (const updates of [new Set([u, v]), [u, v], Object.freeze([u, v]), generator()]) {
      expect(routesOf(new Map([['@x:test', updates]])).routes).toEqual({
        '@u:test': ['@x:test'],
        '@v:island': ['@x:test'],
      });
    }
  });

  it('may be a plain object, with or without a prototype', () => {
    expect(routesOf({ '@x:test': [u] }).routes).toEqual({ '@u:test': ['@x:test'] });
    expect(routesOf(Object.assign(Object.create(null), { '@x:test': [u] })).routes).toEqual({ '@u:test': ['@x:test'] });
  });

  it('names updates by userId only: a copy counts, whatever else it says', () => {
    expect(routesOf({ '@x:test': [{ userId: '@u:test', state: 'dnd' }] }).routes).toEqual({ '@u:test': ['@x:test'] });
  });

  it('gives each target an update once, however often it is returned', () => {
    const routes = new Map([
      ['@x:test', [u, { ...u }, u]],
      ['@y:test', [u]],
    ]);
    expect(routesOf(routes).routes).toEqual({ '@u:test': ['@x:test', '@y:test'] });
  });

  it('row 100: of a wrong type is refused whole and counted', () => {
    class Answer {
      '@x:test' = [u];
    }
    const wrong = [
      null,
      undefined,
      'ALL',
      7,
      true,
      [u],
      new Set([u]),
      [['@x:test', [u]]],
      new Answer(),
      () => u,
      Symbol('s'),
    ];
    for (const value of wrong) {
      const { routes, outcome } = routesOf(value);
      expect(routes).toEqual({});
      expect(outcome('invalid_return')).toBe(1);
      expect(outcome('ok')).toBe(0);
    }
  });

  it('row 112: costs only the entry when a key is no user id', () => {
    const routes = new Map<unknown, unknown>([
      ['nouser', [u]],
      [Symbol('s'), [u]],
      [{}, [u]],
      ['@x:test', [u]],
    ]);
    const result = routesOf(routes);
    expect(result.routes).toEqual({ '@u:test': ['@x:test'] });
    expect(result.dropped('user_id')).toBe(3);
    expect(result.outcome('ok')).toBe(1);
  });

  it('row 113: drops and counts updates of users who are not in the batch', () => {
    const result = routesOf({ '@x:test': [stateOf('@stranger:island'), u] });
    expect(result.routes).toEqual({ '@u:test': ['@x:test'] });
    expect(result.dropped('not_in_batch')).toBe(1);
  });

  it.each([
    ['user_id', expect.stringMatching(/^"xy{99}…"$/), { [`x${'y'.repeat(200)}`]: [u] }],
    ['not_in_batch', '"@stranger:island"', { '@x:test': [stateOf('@stranger:island')] }],
    ['not_iterable', '"@u:test"', { '@x:test': '@u:test' }],
    ['not_an_update', '7', { '@x:test': [7, {}] }],
    ['not_an_update', 'a plain object', { '@x:test': [{ userId: null }] }],
    ['threw', 'no', new Map([['@x:test', { [Symbol.iterator]: () => raise(new Error('no')) }]])],
  ])('has the first wrong value in the log: %s', async (reason, value, answer) => {
    const { router, logger } = createTestRouter([{ getUsersForStates: () => answer }]);
    await router.getUsersForStates([u, v]);
    expect(logger.lines.map(({ fields }) => fields)).toEqual([
      { module: 'a', callback: 'getUsersForStates', reason, value },
    ]);
  });

  it('says how many entries are looked at when there are more', async () => {
    const { router, logger } = createTestRouter([{ getInterestedUsers: () => ['@a:test', '@b:test'] }], {
      maxEntries: 1,
    });
    await router.getInterestedUsers('@x:test');
    expect(logger.lines[0]?.fields).toMatchObject({ reason: 'too_many', maxEntries: 1 });
  });

  it('costs only the entry when its updates are no iterable, or a string', () => {
    const result = routesOf({ '@a:test': 7, '@b:test': null, '@c:test': '@u:test', '@d:test': {}, '@x:test': [u] });
    expect(result.routes).toEqual({ '@u:test': ['@x:test'] });
    expect(result.dropped('not_iterable')).toBe(4);
  });

  it('costs only the entry when an update is something else, or throws when read', () => {
    const hostile = {
      get userId(): never {
        throw new Error('no');
      },
    };
    const result = routesOf({
      '@x:test': [
        null,
        'u',
        7,
        {},
        hostile,
        new Proxy(u, {
          get: () => {
            raise(u);
          },
        }),
        u,
      ],
    });
    expect(result.routes).toEqual({ '@u:test': ['@x:test'] });
    expect(result.dropped('not_an_update')).toBe(4);
    expect(result.dropped('threw')).toBe(2);
  });

  it('keeps what came before and after an entry that throws', () => {
    function* breaks() {
      yield u;
      throw new Error('half way');
    }
    const routes = {
      '@x:test': breaks(),
      get '@y:test'(): never {
        throw new Error('no');
      },
      '@z:test': [v],
    };
    const result = routesOf(routes);
    expect(result.routes).toEqual({ '@u:test': ['@x:test'], '@v:island': ['@z:test'] });
    expect(result.dropped('threw')).toBe(2);
  });

  it('is not read through what a Map subclass has made of iterating', () => {
    class Odd extends Map<string, unknown> {
      override get size(): never {
        throw new Error('no');
      }
      override [Symbol.iterator](): never {
        throw new Error('no');
      }
      override get(): never {
        throw new Error('no');
      }
    }
    const odd = new Odd();
    Map.prototype.set.call(odd, '@x:test', [u]);
    expect(routesOf(odd).routes).toEqual({ '@u:test': ['@x:test'] });
  });

  it('is a failure when a proxy throws', () => {
    const proxy = new Proxy(
      {},
      {
        ownKeys: () => {
          throw new Error('no');
        },
      },
    );
    expect(routesOf(proxy).outcome('threw')).toBe(1);
  });

  it('is read up to max_entries: an endless iterable ends there', () => {
    const result = routesOf({ '@x:test': endless(() => u), '@y:test': [v] }, 10);
    expect(result.routes).toEqual({ '@u:test': ['@x:test'] });
    expect(result.dropped('too_many')).toBe(2);
  });

  it('counts entries inclusively: exactly max_entries all count, one more does not', () => {
    const targets = (count: number) => new Map(Array.from({ length: count }, (_, index) => [`@t${index}:test`, [u]]));
    expect(routesOf(targets(10), 10).routes['@u:test']).toHaveLength(10);
    expect(routesOf(targets(10), 10).dropped('too_many')).toBe(0);
    expect(routesOf(targets(11), 10).routes['@u:test']).toHaveLength(10);
    expect(routesOf(targets(11), 10).dropped('too_many')).toBe(1);
  });

  it('with a million entries costs their reading up to the limit, and no more', () => {
    const million = new Map(Array.from({ length: 1_000_000 }, (_, index) => [`@t${index}:test`, [u]] as const));
    const result = routesOf(million);
    expect(result.routes['@u:test']).toHaveLength(100_000);
    expect(result.dropped('too_many')).toBe(1);
    expect(result.outcome('ok')).toBe(1);
  });

  it('counts keys without updates, too', () => {
    const empty = new Map(Array.from({ length: 11 }, (_, index) => [`@t${index}:test`, []]));
    expect(routesOf(empty, 10).dropped('too_many')).toBe(1);
  });
});
