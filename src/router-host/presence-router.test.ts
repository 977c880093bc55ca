import { describe, expect, it, vi } from 'vitest';
import { createTestRouter, type LooseCallbacks, raise, stateOf } from '../../test/support/host-context.ts';
import type { UserId } from '../matrix/identifiers.ts';
import type { CallbackContext } from '../module/callbacks.ts';
import { NOBODY, NO_ROUTES } from './router-api.ts';

const u = stateOf('@u:test');
const v = stateOf('@v:test');
const never = new Promise<never>(() => undefined);

/** A module that routes the batch to some users, and has them interested in `interested`. */
function routesTo(targets: readonly UserId[], interested: readonly UserId[] = []): LooseCallbacks {
  return {
    getUsersForStates: (updates) => new Map(targets.map((target) => [target, updates])),
    getInterestedUsers: () => interested,
  };
}

describe('PresenceRouter', () => {
  it('row 86: without callbacks asks nobody, and makes nothing', () => {
    const { router, memory } = createTestRouter([]);
    expect(router.hasCallbacks).toBe(false);
    expect(router.deadlineMs).toBe(0);
    expect(router.getUsersForStates([u])).toBe(NO_ROUTES);
    expect(router.getInterestedUsers('@x:test')).toBe(NOBODY);
    router.forgetObservers(['@x:test']);
    expect(memory.value('thalamus_module_callback_total')).toBe(0);
  });

  it('row 96: makes one call for one batch, with all of it, in an array of its own', async () => {
    const getUsersForStates = vi.fn<() => object>(() => ({}));
    const { router } = createTestRouter([{ getUsersForStates }]);
    const batch = [u, v];
    await router.getUsersForStates(batch);
    expect(getUsersForStates).toHaveBeenCalledTimes(1);
    const [given] = getUsersForStates.mock.calls[0] as unknown as [unknown[]];
    expect(given).toEqual([u, v]);
    expect(given).not.toBe(batch);
    expect(Object.isFrozen(given)).toBe(true);
  });

  it('answers at once when every module does, and makes no AbortController for it', () => {
    const made = vi.spyOn(globalThis, 'AbortController');
    const { router, clock } = createTestRouter([routesTo(['@x:test']), routesTo(['@y:test'])]);
    expect(router.getUsersForStates([u])).toEqual(new Map([['@u:test', ['@x:test', '@y:test']]]));
    expect(router.getInterestedUsers('@x:test')).toEqual([]);
    expect(clock.pendingTimers).toBe(0);
    expect(made).not.toHaveBeenCalled();
    made.mockRestore();
  });

  it('calls the methods of the object that was registered, with `this`', () => {
    class Module {
      readonly #target = '@x:test';
      getUsersForStates(updates: readonly unknown[]) {
        return { [this.#target]: updates };
      }
      getInterestedUsers() {
        return [this.#target];
      }
    }
    const { router } = createTestRouter([new Module()]);
    expect(router.getUsersForStates([u])).toEqual(new Map([['@u:test', ['@x:test']]]));
    expect(router.getInterestedUsers('@x:test')).toEqual(['@x:test']);
  });

  it('row 105: unites what several modules say about the same user, without duplicates', async () => {
    const { router } = createTestRouter([
      { getUsersForStates: () => ({ '@x:test': [u], '@y:test': [u] }), getInterestedUsers: () => ['@u:test'] },
      {
        getUsersForStates: async () => ({ '@x:test': [v, u] }),
        getInterestedUsers: async () => ['@v:test', '@u:test'],
      },
    ]);
    expect(await router.getUsersForStates([u, v])).toEqual(
      new Map([
        ['@u:test', ['@x:test', '@y:test']],
        ['@v:test', ['@x:test']],
      ]),
    );
    expect(await router.getInterestedUsers('@x:test')).toEqual(['@u:test', '@v:test']);
  });

  it('asks the modules in order, each when the one before has answered', async () => {
    const order: string[] = [];
    let answer: (value: object) => void = () => undefined;
    const { router, clock } = createTestRouter([
      {
        getUsersForStates: () => {
          order.push('first');
          return new Promise((resolve) => (answer = resolve));
        },
      },
      { getUsersForStates: () => (order.push('second'), {}) },
    ]);
    const routes = router.getUsersForStates([u]);
    await clock.settle();
    expect(order).toEqual(['first']);
    answer({});
    await routes;
    expect(order).toEqual(['first', 'second']);
  });

  it('row 103: does not ask the modules after the first PRESENCE_ALL_USERS', async () => {
    const second = vi.fn<() => string[]>(() => ['@b:test']);
    const after = (first: LooseCallbacks['getInterestedUsers']) =>
      createTestRouter([
        { getInterestedUsers: () => ['@a:test'] },
        first === undefined ? {} : { getInterestedUsers: first },
        { getInterestedUsers: second },
      ]).router.getInterestedUsers('@x:test');
    expect(after(() => 'ALL')).toBe('ALL');
    expect(await after(async () => 'ALL')).toBe('ALL');
    expect(second).not.toHaveBeenCalled();
    expect(after(() => [])).toEqual(['@a:test', '@b:test']);
  });

  it.each([
    [
      'throws an Error',
      () => {
        throw new Error('no');
      },
    ],
    [
      'throws something else',
      () => {
        raise(Object.create(null));
      },
    ],
    [
      'throws undefined',
      () => {
        raise(undefined);
      },
    ],
    ['rejects', () => Promise.reject(new Error('no'))],
    ['rejects with something else', async () => raise('no')],
    [
      'returns a thenable that throws',
      // oxlint-disable-next-line unicorn/no-thenable -- modules return anything
      () => ({ then: () => raise(new Error('no')) }),
    ],
    [
      'returns what throws when looked at',
      () =>
        new Proxy(
          {},
          {
            has: () => {
              throw new Error('no');
            },
          },
        ),
    ],
  ])('rows 99, 104: the other modules count when one %s', async (_what, callback) => {
    const bad = { getUsersForStates: callback, getInterestedUsers: callback };
    const { router, calls, logger } = createTestRouter([bad, routesTo(['@x:test'], ['@u:test'])]);
    expect(await router.getUsersForStates([u])).toEqual(new Map([['@u:test', ['@x:test']]]));
    expect(await router.getInterestedUsers('@x:test')).toEqual(['@u:test']);
    expect(calls('a', 'getUsersForStates', 'threw')).toBe(1);
    expect(calls('a', 'getInterestedUsers', 'threw')).toBe(1);
    const [line] = logger.lines;
    expect(line?.fields).toMatchObject({ module: 'a', callback: 'getUsersForStates', reason: 'threw' });
    expect(line?.fields['err']).toMatchObject({ name: 'ModuleCallbackError', code: 'PRESENCE_ERR_MODULE_CALLBACK' });
  });

  it('passes over a module that has not answered by its deadline, and tells it so', async () => {
    let context: CallbackContext | undefined;
    const hangs = (_: unknown, given: CallbackContext) => {
      context = given;
      return never;
    };
    const { router, clock, calls } = createTestRouter([
      { getUsersForStates: hangs, getInterestedUsers: hangs },
      routesTo(['@x:test'], ['@u:test']),
    ]);
    const routes = router.getUsersForStates([u]);
    const interest = router.getInterestedUsers('@x:test');
    const signal = context?.signal;
    await clock.advance(1999);
    expect(signal?.aborted).toBe(false);
    await clock.advance(1);
    expect(signal?.aborted).toBe(true);
    expect(await routes).toEqual(new Map([['@u:test', ['@x:test']]]));
    expect(await interest).toEqual(['@u:test']);
    expect(calls('a', 'getUsersForStates', 'timed_out')).toBe(1);
    expect(calls('a', 'getInterestedUsers', 'timed_out')).toBe(1);
    expect(clock.pendingTimers).toBe(0);
  });

  it('gives an aborted signal to those who look at it only after the deadline', async () => {
    let context: CallbackContext | undefined;
    const { router, clock } = createTestRouter([{ getUsersForStates: (_, given) => ((context = given), never) }]);
    const routes = router.getUsersForStates([u]);
    await clock.advance(2000);
    await routes;
    expect(context?.signal.aborted).toBe(true);
    expect(context?.signal).toBe(context?.signal);
  });

  it('ignores an answer, and a rejection, that comes after the deadline', async () => {
    const late: { resolve: (value: unknown) => void; reject: (error: unknown) => void }[] = [];
    const { router, clock, calls } = createTestRouter([
      { getUsersForStates: () => new Promise((resolve, reject) => late.push({ resolve, reject })) },
    ]);
    const first = router.getUsersForStates([u]);
    const second = router.getUsersForStates([u]);
    await clock.advance(2000);
    late[0]?.resolve({ '@x:test': [u] });
    late[1]?.reject(new Error('late'));
    await clock.settle();
    expect(await first).toEqual(NO_ROUTES);
    expect(await second).toEqual(NO_ROUTES);
    expect(calls('a', 'getUsersForStates', 'timed_out')).toBe(2);
    expect(calls('a', 'getUsersForStates', 'ok')).toBe(0);
    expect(calls('a', 'getUsersForStates', 'threw')).toBe(0);
  });

  it('uses the deadline of each module, and says the longest', async () => {
    const { router, clock } = createTestRouter([{ getInterestedUsers: () => never }], { timeoutMs: 50 });
    expect(router.deadlineMs).toBe(50);
    const interest = router.getInterestedUsers('@x:test');
    await clock.advance(50);
    expect(await interest).toEqual([]);
  });

  it('does not ask a callback that rests after failures in a row; its other callback goes on', async () => {
    const broken = vi.fn<() => unknown>(() => {
      throw new Error('no');
    });
    const { router, clock, calls, memory } = createTestRouter([
      { getUsersForStates: broken, getInterestedUsers: () => ['@u:test'] },
    ]);
    for (let call = 0; call < 20; call += 1) await router.getUsersForStates([u]);
    expect(broken).toHaveBeenCalledTimes(5);
    expect(calls('a', 'getUsersForStates', 'rested')).toBe(15);
    expect(memory.value('thalamus_module_rests_total', { module: 'a', callback: 'getUsersForStates' })).toBe(1);
    expect(router.getInterestedUsers('@x:test')).toEqual(['@u:test']);

    await clock.advance(29_999);
    await router.getUsersForStates([u]);
    expect(broken).toHaveBeenCalledTimes(5);

    // One trial; it fails, and the rest begins again.
    await clock.advance(1);
    await router.getUsersForStates([u]);
    await router.getUsersForStates([u]);
    expect(broken).toHaveBeenCalledTimes(6);

    // The next trial succeeds, and all is as before.
    await clock.advance(30_000);
    broken.mockImplementation(() => ({ '@x:test': [u] }));
    expect(router.getUsersForStates([u])).toEqual(new Map([['@u:test', ['@x:test']]]));
    expect(router.getUsersForStates([u])).toEqual(new Map([['@u:test', ['@x:test']]]));
  });

  it('does not rest when a success is among the failures', async () => {
    let calls = 0;
    const { router, memory } = createTestRouter([{ getUsersForStates: () => ((calls += 1) % 5 === 0 ? {} : null) }]);
    for (let call = 0; call < 50; call += 1) await router.getUsersForStates([u]);
    expect(calls).toBe(50);
    expect(memory.value('thalamus_module_rests_total', { module: 'a', callback: 'getUsersForStates' })).toBe(0);
  });

  it('lets one call through as a trial when many ask at the end of a rest', async () => {
    const hangs = vi.fn<() => Promise<never>>(() => never);
    const { router, clock } = createTestRouter([{ getInterestedUsers: hangs }], { failuresBeforeRest: 1 });
    const first = router.getInterestedUsers('@x:test');
    await clock.advance(2000 + 30_000);
    const later = (['@a:test', '@b:test', '@c:test'] as const).map((userId) => router.getInterestedUsers(userId));
    expect(hangs).toHaveBeenCalledTimes(2);
    await clock.advance(2000);
    expect(await Promise.all([first, ...later])).toEqual([[], [], [], []]);
  });

  it('does not take the late success of a call from before the rest for a recovery', async () => {
    let answer: (value: object) => void = () => undefined;
    const callback = vi.fn<() => unknown>(() => null);
    callback.mockImplementationOnce(() => new Promise((resolve) => (answer = resolve)));
    const { router } = createTestRouter([{ getUsersForStates: callback }]);
    const early = router.getUsersForStates([u]);
    for (let call = 0; call < 5; call += 1) await router.getUsersForStates([u]);
    answer({ '@x:test': [u] });
    expect(await early).toEqual(new Map([['@u:test', ['@x:test']]]));
    await router.getUsersForStates([u]);
    expect(callback).toHaveBeenCalledTimes(6);
  });

  it.each([
    ['threw', () => raise('boom'), ': "boom" was thrown'],
    ['threw', () => raise(new Error('boom')), ': boom'],
    ['invalid_return', () => 7, ': returned a number; it should be a Map or a plain object from user id to updates'],
  ])('says once what went wrong, without frames of the server: %s', async (reason, callback, says) => {
    const { router, logger } = createTestRouter([{ getUsersForStates: callback }]);
    await router.getUsersForStates([u]);
    const { err } = logger.lines[0]!.fields as unknown as { err: Error };
    expect(err.message).toBe(`getUsersForStates of module a ${reason}${says}`);
    expect(err.cause).toBeUndefined();
    expect(err.stack).not.toContain('callback-runner');
  });

  it('keeps the log short however often a module fails', async () => {
    const { router, logger } = createTestRouter([{ getUsersForStates: () => null }], { failuresBeforeRest: 0 });
    for (let call = 0; call < 1000; call += 1) await router.getUsersForStates([u]);
    expect(logger.lines).toHaveLength(1);
  });

  it('remembers an observer’s last good answer while the module fails, until told to forget', () => {
    let answer: unknown = ['@u:test'];
    const { router } = createTestRouter([{ getInterestedUsers: () => answer }], { failuresBeforeRest: 2 });
    expect(router.getInterestedUsers('@x:test')).toEqual(['@u:test']);
    answer = null;
    for (let call = 0; call < 5; call += 1) expect(router.getInterestedUsers('@x:test')).toEqual(['@u:test']);
    expect(router.getInterestedUsers('@other:test')).toEqual([]);
    router.forgetObservers(['@x:test']);
    expect(router.getInterestedUsers('@x:test')).toEqual([]);
  });

  it('merges several modules’ interest into the same array as long as nothing changes', () => {
    const third = ['@c:test'];
    const { router } = createTestRouter([
      { getInterestedUsers: () => ['@a:test'] },
      { getInterestedUsers: () => new Set(['@b:test']) },
      { getInterestedUsers: () => third },
    ]);
    const first = router.getInterestedUsers('@x:test');
    expect(router.getInterestedUsers('@x:test')).toBe(first);
    third.push('@d:test');
    expect(router.getInterestedUsers('@x:test')).toEqual(['@a:test', '@b:test', '@c:test', '@d:test']);
  });

  it('observes how long each call took, and leaves no timer behind', async () => {
    const { router, memory, clock } = createTestRouter([{ getUsersForStates: async () => ({}) }]);
    await router.getUsersForStates([u]);
    expect(clock.pendingTimers).toBe(0);
    const labels = { module: 'a', callback: 'getUsersForStates' };
    expect(memory.observed('thalamus_module_callback_seconds', labels)).toHaveLength(1);
  });

  it('counts it as a failure when a callback holds up the process, and still takes an answer in time', async () => {
    const block = (ms: number) => {
      const end = performance.now() + ms;
      while (performance.now() < end);
    };
    const { router, calls } = createTestRouter(
      [{ getUsersForStates: () => (block(1010), { '@x:test': [u] }), getInterestedUsers: () => (block(0), []) }],
      { timeoutMs: 20_000 },
    );
    expect(router.getUsersForStates([u])).toEqual(new Map([['@u:test', ['@x:test']]]));
    expect(calls('a', 'getUsersForStates', 'blocked')).toBe(1);
    expect(calls('a', 'getUsersForStates', 'ok')).toBe(0);
    await router.getInterestedUsers('@x:test');
    expect(calls('a', 'getInterestedUsers', 'ok')).toBe(1);
  });

  it('at stop aborts what runs, waits for it, and asks nobody any more', async () => {
    let aborted = false;
    const { router } = createTestRouter([
      {
        getUsersForStates: (_, { signal }) =>
          new Promise((resolve) => {
            signal.addEventListener('abort', () => {
              aborted = true;
              resolve({});
            });
          }),
      },
    ]);
    const routes = router.getUsersForStates([u]);
    await router.stop();
    expect(aborted).toBe(true);
    expect(await routes).toEqual(NO_ROUTES);
    expect(router.hasCallbacks).toBe(false);
    expect(router.getUsersForStates([u])).toBe(NO_ROUTES);
  });
});

describe('disagreement of the two callbacks', () => {
  const count = (router: ReturnType<typeof createTestRouter>) =>
    router.memory.value('thalamus_module_disagreements_total', { module: 'a' });

  it('row 91: is counted when an update goes to somebody who is not interested; it goes there all the same', async () => {
    const host = createTestRouter([routesTo(['@x:test'], [])]);
    await host.router.getInterestedUsers('@x:test');
    expect(host.router.getUsersForStates([u])).toEqual(new Map([['@u:test', ['@x:test']]]));
    expect(count(host)).toBe(1);
  });

  it('row 92: is counted when somebody interested is not among those an update goes to', async () => {
    const host = createTestRouter([routesTo([], ['@u:test'])]);
    expect(host.router.getInterestedUsers('@x:test')).toEqual(['@u:test']);
    await host.router.getUsersForStates([u]);
    expect(count(host)).toBe(1);
    const [line] = host.logger.lines;
    expect(line?.fields).toEqual({ module: 'a', observer: '@x:test', target: '@u:test' });
    expect(line?.message).toMatch(/getUsersForStates does not give the observer/);
  });

  it('is logged once per module, however often it is counted', async () => {
    const host = createTestRouter([routesTo(['@x:test'], []), routesTo(['@x:test'], [])]);
    await host.router.getInterestedUsers('@x:test');
    for (let update = 0; update < 10; update += 1) await host.router.getUsersForStates([u, v]);
    expect(count(host)).toBe(20);
    expect(host.logger.lines.map(({ fields }) => fields)).toEqual([
      { module: 'a', observer: '@x:test', target: '@u:test' },
      { module: 'b', observer: '@x:test', target: '@u:test' },
    ]);
    expect(host.logger.lines[0]?.message).toMatch(/getInterestedUsers does not name the target/);
  });

  it('is not claimed of observers never asked about, of those interested in all, of oneself, or of modules that agree', async () => {
    const host = createTestRouter([
      {
        getUsersForStates: (updates) =>
          updates[0]?.userId === '@u:test'
            ? { '@x:test': updates, '@far:island': updates, '@u:test': updates, '@all:test': updates }
            : {},
        getInterestedUsers: (userId) =>
          userId === '@all:test' ? 'ALL' : userId === '@x:test' ? ['@u:test', '@x:test'] : [],
      },
    ]);
    for (const userId of ['@x:test', '@all:test', '@u:test'] as const) await host.router.getInterestedUsers(userId);
    await host.router.getUsersForStates([u]);
    await host.router.getUsersForStates([stateOf('@x:test')]);
    expect(count(host)).toBe(0);
  });

  it('is not claimed of observers who have been forgotten', async () => {
    const host = createTestRouter([routesTo(['@x:test'], [])]);
    await host.router.getInterestedUsers('@x:test');
    host.router.forgetObservers();
    await host.router.getUsersForStates([u]);
    expect(count(host)).toBe(0);
  });
});
