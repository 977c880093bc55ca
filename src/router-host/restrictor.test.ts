import { describe, expect, it, vi } from 'vitest';
import { createTestHost, createTestRouter, raise, stateOf } from '../../test/support/host-context.ts';
import type { Observer } from '../core/engine-api.ts';
import { Form } from '../core/forms.ts';
import type { CallbackContext } from '../module/callbacks.ts';
import { DEFAULT_CALLBACK_LIMITS } from './callback-limits.ts';
import { CallbackList } from './callback-list.ts';
import { PresenceRouter } from './presence-router.ts';
import { UNRESTRICTED } from './router-api.ts';

const { FULL, NO_STATUS, OFFLINE, DENIED } = Form;
const U = '@u:test';
const never = new Promise<never>(() => undefined);
const everybody = (form: Form, isFinal = true) => ({ others: form, observers: new Map(), isFinal });
const only = (isFinal: boolean, ...observers: [Observer, Form][]) => ({
  others: null,
  observers: new Map(observers),
  isFinal,
});

describe('asking who must not get presence', () => {
  it('costs nothing when no module restricts', () => {
    const { router } = createTestRouter([{ getUsersForStates: () => ({}) }]);
    expect(router.restricts).toBe(false);
    expect(router.getRestrictions(U, ['@a:test'])).toBe(UNRESTRICTED);
  });

  it('row 330: does not have a module that only restricts asked for routes or interest', async () => {
    const { router, memory } = createTestRouter([{ getRestrictions: () => 'deny' }]);
    expect([router.restricts, router.hasCallbacks, router.deadlineMs]).toEqual([true, false, 2000]);
    expect(await router.getUsersForStates([stateOf(U)])).toEqual(new Map());
    expect(await router.getInterestedUsers('@a:test')).toEqual([]);
    expect(memory.value('thalamus_module_callback_total', { module: 'a' })).toBe(0);
  });

  it('gives each module the source and the observers, in a frozen array of its own', async () => {
    const getRestrictions = vi.fn<(...given: unknown[]) => undefined>();
    const { router } = createTestRouter([{ getRestrictions }]);
    const observers = ['@a:test', 'island'];
    await router.getRestrictions(U, observers);
    const [source, given] = getRestrictions.mock.calls[0] ?? [];
    expect([source, given]).toEqual([U, ['@a:test', 'island']]);
    expect(given).not.toBe(observers);
    expect(Object.isFrozen(given)).toBe(true);
  });

  it('calls the method of the object that was registered, with `this`', () => {
    class Module {
      readonly #restriction = 'offline';
      getRestrictions() {
        return this.#restriction;
      }
      getUsersForStates() {
        return {};
      }
      getInterestedUsers() {
        return [];
      }
    }
    const { router } = createTestRouter([new Module()]);
    expect(router.getRestrictions(U, ['@a:test'])).toEqual(everybody(OFFLINE));
    expect(router.hasCallbacks).toBe(true);
  });

  it('answers at once when every module does, and makes no AbortController for it', () => {
    const made = vi.spyOn(globalThis, 'AbortController');
    const { router, clock, calls } = createTestRouter([
      { getRestrictions: () => ({ '@a:test': 'deny' }) },
      { getRestrictions: () => ({ hide: ['status_msg'] }) },
    ]);
    expect(router.getRestrictions(U, ['@a:test', '@b:test'])).toEqual(
      only(true, ['@a:test', DENIED | NO_STATUS], ['@b:test', NO_STATUS]),
    );
    expect([clock.pendingTimers, made.mock.calls.length]).toEqual([0, 0]);
    expect([calls('a', 'getRestrictions', 'ok'), calls('b', 'getRestrictions', 'ok')]).toEqual([1, 1]);
    made.mockRestore();
  });

  it('calls every module, in order, before any has answered, so that one deadline covers all', async () => {
    const order: string[] = [];
    const hang = (name: string) => () => (order.push(name), never);
    const { router, clock } = createTestRouter(
      [{ getRestrictions: hang('a') }, { getRestrictions: () => 'offline' }, { getRestrictions: hang('c') }],
      { onFailure: 'allow' },
    );
    const answer = router.getRestrictions(U, ['@a:test']);
    expect(order).toEqual(['a', 'c']);
    await clock.advance(2000);
    expect(await answer).toEqual(only(false, ['@a:test', OFFLINE]));
  });
});

describe('a module that fails to say who must not get presence', () => {
  it.each([
    ['throws', () => raise(new Error('no')), 'threw'],
    ['rejects', () => Promise.reject(new Error('no')), 'threw'],
    ['returns something else', () => 'denied', 'invalid_return'],
    ['returns a promise of something else', async () => 7, 'invalid_return'],
  ])('row 317: denies those of whom it has said nothing, when it %s', async (_how, getRestrictions, outcome) => {
    const { router, calls } = createTestRouter([{ getRestrictions }, { getRestrictions: () => undefined }]);
    expect(await router.getRestrictions(U, ['@a:test', 'island'])).toEqual(
      only(false, ['@a:test', DENIED], ['island', DENIED]),
    );
    expect(calls('a', 'getRestrictions', outcome)).toBe(1);
    expect(calls('b', 'getRestrictions', 'ok')).toBe(1);
  });

  it('row 318: gives them everything if it is configured so', () => {
    const { router } = createTestRouter([{ getRestrictions: () => raise(new Error('no')) }], { onFailure: 'allow' });
    expect(router.getRestrictions(U, ['@a:test'])).toEqual(only(false));
  });

  it('row 316: stands by what it said last of the source and the observer, whatever is configured for those it has not spoken of', async () => {
    let getRestrictions: () => unknown = () => ({ '@a:test': 'deny' });
    const { router, clock } = createTestRouter([{ getRestrictions: () => getRestrictions() }], {
      failuresBeforeRest: 3,
    });
    await router.getRestrictions(U, ['@a:test', '@b:test']);
    const ask = () => router.getRestrictions(U, ['@a:test', '@b:test', '@c:test']);
    const standing = only(false, ['@a:test', DENIED], ['@c:test', DENIED]);

    getRestrictions = () => raise(new Error('no'));
    expect(ask()).toEqual(standing);
    getRestrictions = () => 'nonsense';
    expect(ask()).toEqual(standing);
    getRestrictions = () => never;
    const late = ask();
    await clock.advance(2000);
    expect(await late).toEqual(standing);
    // It rests now.
    getRestrictions = () => undefined;
    expect(ask()).toEqual(standing);
    expect(router.modules()[0]?.callbacks.at(-1)).toMatchObject({
      callback: 'getRestrictions',
      calls: { ok: 1, threw: 1, invalid_return: 1, timed_out: 1, rested: 1, blocked: 0 },
      rests: 1,
      restsUntilTs: clock.now() + 30_000,
    });
    await clock.advance(30_000);
    expect(ask()).toEqual(everybody(FULL));
  });

  it('stands by what it said of everybody', async () => {
    let isBroken = false;
    const { router, memory } = createTestRouter([
      { getRestrictions: () => (isBroken ? raise(new Error('no')) : { '*': 'deny', '@a:test': null }) },
    ]);
    await router.getRestrictions(U, ['@z:test']);
    isBroken = true;
    expect(memory.value('thalamus_module_remembered_restrictions', { module: 'a' })).toBe(2);
    expect(router.getRestrictions(U, ['@a:test', '@b:test'])).toEqual({
      others: DENIED,
      observers: new Map([['@a:test', FULL]]),
      isFinal: false,
    });
  });

  it('is told by its signal that the deadline has passed, and not heard any more', async () => {
    let given: CallbackContext | undefined;
    let answer: (value: unknown) => void = () => undefined;
    const { router, clock } = createTestRouter([
      {
        getRestrictions: (_source, _observers, context) => {
          given = context;
          return new Promise((resolve) => (answer = resolve));
        },
      },
    ]);
    const first = router.getRestrictions(U, ['@a:test']);
    await clock.advance(2000);
    expect(given?.signal.aborted).toBe(true);
    answer(undefined);
    expect(await first).toEqual(only(false, ['@a:test', DENIED]));
    await clock.settle();
    const second = router.getRestrictions(U, ['@a:test']);
    await clock.advance(2000);
    expect(await second).toEqual(only(false, ['@a:test', DENIED]));
  });

  it('row 320: counts dropped entries, and logs the first of each kind', () => {
    const { router, dropped, logger } = createTestRouter([
      { getRestrictions: () => ({ '@a:test': 'denied', '@b:test': 'dny', '@nobody': 'deny' }) },
    ]);
    expect(router.getRestrictions(U, ['@a:test'])).toEqual(only(true, ['@a:test', DENIED]));
    expect(dropped('getRestrictions', 'not_a_restriction')).toBe(2);
    expect(dropped('getRestrictions', 'not_an_observer')).toBe(1);
    expect(logger.lines.map(({ fields }) => [fields['reason'], fields['value']])).toEqual([
      ['not_a_restriction', '"denied"'],
      ['not_an_observer', '"@nobody"'],
    ]);
  });
});

describe('a router whose modules are still to be constructed', () => {
  it('has everything kept back until they are, and then answers for them', async () => {
    for (const callbacks of [{ getRestrictions: () => 'offline' as const }, {}]) {
      const { context, clock } = createTestHost();
      const router = new PresenceRouter(context);
      expect(router.restricts).toBe(false);
      router.awaitModules();
      expect(router.restricts).toBe(true);
      const answered = vi.fn<(answer: unknown) => void>();
      const asking = (async () => answered(await router.getRestrictions(U, ['@a:test'])))();
      await clock.settle();
      expect(answered).not.toHaveBeenCalled();

      const list = new CallbackList();
      const restricts = 'getRestrictions' in callbacks;
      if (restricts) router.register('a', callbacks, DEFAULT_CALLBACK_LIMITS, context, list);
      router.exchange(list);
      await asking;
      expect(router.restricts).toBe(restricts);
      expect(answered.mock.calls).toEqual([[restricts ? everybody(OFFLINE) : UNRESTRICTED]]);
    }
  });
});

describe('a router whose callbacks are exchanged', () => {
  it('is answered by the new ones, also about what the old ones have not answered yet; those are forgotten', async () => {
    const { router, memory, context } = createTestRouter([
      { getRestrictions: (source) => (source === U ? 'deny' : never) },
    ]);
    await router.getRestrictions(U, ['@a:test']);
    const waiting = router.getRestrictions('@v:test', ['@a:test']);
    const list = new CallbackList();
    const callbacks = { getRestrictions: () => 'offline' as const };
    router.register('new', callbacks, DEFAULT_CALLBACK_LIMITS, context, list);
    await router.exchange(list).stop(0, 'other modules are asked');
    expect(await waiting).toEqual(everybody(OFFLINE));
    expect(await router.getRestrictions(U, ['@a:test'])).toEqual(everybody(OFFLINE));
    expect(memory.value('thalamus_module_remembered_restrictions', { module: 'a' })).toBe(0);
    expect(memory.value('thalamus_module_remembered_restrictions', { module: 'new' })).toBe(2);
  });

  it('restricts no more when none of the new ones does', async () => {
    const { router } = createTestRouter([{ getRestrictions: () => 'deny' }]);
    router.exchange(new CallbackList());
    expect(router.restricts).toBe(false);
    expect(router.getRestrictions(U, ['@a:test'])).toBe(UNRESTRICTED);
  });
});

describe('a stopped router', () => {
  it('asks nobody, and gives nothing away: what was said last stands, and everybody else is denied', async () => {
    const getRestrictions = vi.fn<() => unknown>(() => ({ '@a:test': 'offline' }));
    const { router } = createTestRouter([{ getRestrictions }]);
    await router.getRestrictions(U, ['@a:test', '@b:test']);
    await router.stop();
    expect(router.restricts).toBe(true);
    expect(router.getRestrictions(U, ['@a:test', '@b:test', '@c:test'])).toEqual(
      only(false, ['@a:test', OFFLINE], ['@c:test', DENIED]),
    );
    expect(getRestrictions).toHaveBeenCalledTimes(1);
  });

  it('aborts the calls that are under way, waits for them, and does not take their word', async () => {
    let aborted = false;
    const { router } = createTestRouter([
      {
        getRestrictions: (_source, _observers, { signal }) =>
          new Promise((resolve) => {
            signal.addEventListener('abort', () => {
              aborted = true;
              resolve(undefined);
            });
          }),
      },
    ]);
    const answer = router.getRestrictions(U, ['@a:test']);
    await router.stop();
    expect(aborted).toBe(true);
    expect(await answer).toEqual(only(false, ['@a:test', DENIED]));
  });
});
