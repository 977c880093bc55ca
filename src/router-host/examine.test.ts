import { describe, expect, it } from 'vitest';
import {
  createTestHost,
  createTestRouter,
  endless,
  type LooseCallbacks,
  raise,
  stateOf,
} from '../../test/support/host-context.ts';
import type { CallbackContext } from '../module/callbacks.ts';
import { until } from '../../test/support/until.ts';
import { type CallbackLimits, DEFAULT_CALLBACK_LIMITS } from './callback-limits.ts';
import { CallbackRunner } from './callback-runner.ts';
import { examine } from './examine.ts';
import { NO_WATCHDOG, type Watchdog } from './watchdog.ts';

const X = '@x:test';
const U = '@u:test';
const question = { interestOf: X, state: stateOf(U), restriction: { source: U, observer: X } } as const;

/** Everything that a question could leave behind. */
async function tracesOf({ memory, logger, clock }: ReturnType<typeof createTestRouter>): Promise<unknown> {
  return [(await memory.expose()).body, logger.lines.length, clock.pendingTimers];
}

async function examineWithoutTrace(modules: LooseCallbacks[], limits: Partial<CallbackLimits> = {}, advanceMs = 0) {
  const test = createTestRouter(modules, limits);
  const before = await tracesOf(test);
  const answer = test.router.examine(question);
  if (advanceMs > 0) await test.clock.advance(advanceMs);
  const examination = await answer;
  expect(await tracesOf(test)).toEqual(before);
  return { ...test, examination };
}

describe('examining modules', () => {
  it('has what each says, how long it took, and what it comes to', async () => {
    const { examination } = await examineWithoutTrace([
      { getInterestedUsers: () => [U], getUsersForStates: (states) => new Map([[X, states]]) },
      { getInterestedUsers: () => Promise.resolve([U, '@v:test']), getUsersForStates: () => ({}) },
    ]);
    const [a, b] = examination.modules;
    expect(a).toMatchObject({
      name: 'a',
      interest: { outcome: 'ok', answer: [U], error: null, restsUntilTs: null, remembered: undefined },
      routes: { outcome: 'ok', answer: [X] },
    });
    expect(a?.routes?.ms).toBeGreaterThanOrEqual(0);
    expect(b).toMatchObject({ interest: { answer: [U, '@v:test'] }, routes: { outcome: 'ok', answer: [] } });
    expect(examination).toMatchObject({ interest: [U, '@v:test'], routedTo: [X] });
  });

  it('asks nobody after the first ALL', async () => {
    const { examination } = await examineWithoutTrace([
      { getInterestedUsers: () => 'ALL' },
      { getInterestedUsers: () => raise(new Error('was asked')) },
    ]);
    expect(examination).toMatchObject({ interest: 'ALL', modules: [{}, { interest: 'after_all' }] });
  });

  it('says what went wrong: throws, rejections, wrong answers, dropped entries', async () => {
    const { examination } = await examineWithoutTrace(
      [
        { getInterestedUsers: () => raise(new Error('no database')), getUsersForStates: () => 42 },
        {
          getInterestedUsers: () => Promise.reject(new Error('no network')),
          getUsersForStates: (states) => ({ nobody: states, [X]: states }),
        },
        { getInterestedUsers: () => endless((index) => `@${index}:test`) },
      ],
      { maxEntries: 3 },
    );
    const [a, b, c] = examination.modules;
    expect(a).toMatchObject({
      interest: { outcome: 'threw', error: 'no database', answer: undefined },
      routes: { outcome: 'invalid_return', error: expect.stringContaining('returned a number') },
    });
    expect(b).toMatchObject({
      interest: { outcome: 'threw', error: 'no network' },
      routes: { outcome: 'ok', answer: [X], dropped: new Map([['user_id', 1]]) },
    });
    expect(c).toMatchObject({ interest: { answer: { length: 3 }, dropped: new Map([['too_many', 1]]) } });
  });

  it('waits until the deadline, and aborts the call then', async () => {
    let signal: AbortSignal | undefined;
    const never = (_: unknown, context: CallbackContext): Promise<never> => {
      ({ signal } = context);
      return new Promise(() => undefined);
    };
    const { examination } = await examineWithoutTrace([{ getInterestedUsers: never }], { timeoutMs: 500 }, 500);
    expect(examination.modules[0]?.interest).toMatchObject({ outcome: 'timed_out', error: 'no answer after 500 ms' });
    expect(signal?.aborted).toBe(true);
  });

  it('row 338: does not ask a callback that rests, counts no failure of one that does not, and has what stands', async () => {
    let isBroken = false;
    let calls = 0;
    const test = createTestRouter(
      [
        {
          getInterestedUsers: () => {
            calls += 1;
            return isBroken ? raise(new Error('broken')) : [U];
          },
        },
      ],
      { failuresBeforeRest: 2, restMs: 1000 },
    );
    await test.router.getInterestedUsers(X);
    isBroken = true;
    for (let count = 0; count < 5; count++) await test.router.examine(question);
    expect(calls).toBe(6);
    const failing = await test.router.examine(question);
    expect(failing).toMatchObject({ interest: [U], modules: [{ interest: { outcome: 'threw', remembered: [U] } }] });
    // None of them has counted: it takes two failures to rest.
    await test.router.getInterestedUsers(X);
    expect((await test.router.examine(question)).modules[0]?.interest).toMatchObject({ outcome: 'threw' });
    await test.router.getInterestedUsers(X);
    const asked = calls;
    const before = await tracesOf(test);
    const resting = await test.router.examine(question);
    expect(resting.modules[0]?.interest).toMatchObject({
      outcome: 'rests',
      restsUntilTs: test.clock.now() + 1000,
      ms: null,
    });
    expect(resting.interest).toEqual([U]);
    expect(calls).toBe(asked);
    expect(await tracesOf(test)).toEqual(before);
    // An answer that was only examined does not end the rest, nor use up the trial after it.
    isBroken = false;
    await test.clock.advance(1000);
    expect((await test.router.examine(question)).modules[0]?.interest).toMatchObject({ outcome: 'ok' });
    await test.router.getInterestedUsers(X);
    expect(calls).toBe(asked + 2);
  });

  it('adds up what is kept from the pair, with what stands for a module that fails', async () => {
    let isBroken = false;
    const { router, memory } = createTestRouter([
      { getRestrictions: () => ({ hide: ['status_msg'] }) },
      { getRestrictions: () => (isBroken ? raise(new Error('broken')) : new Map([[X, 'offline']])) },
      { getRestrictions: () => raise(new Error('always broken')) },
    ]);
    await router.getRestrictions(U, [X]);
    isBroken = true;
    const before = (await memory.expose()).body;
    const examination = await router.examine(question);
    expect((await memory.expose()).body).toEqual(before);
    const [a, b, c] = examination.modules.map(({ restriction }) => restriction);
    expect(a).toMatchObject({ outcome: 'ok', answer: 4, standing: 4, isAboutEverybody: true });
    expect(b).toMatchObject({
      outcome: 'threw',
      answer: undefined,
      remembered: 8,
      standing: 8,
      isAboutEverybody: false,
    });
    expect(c).toMatchObject({ outcome: 'threw', remembered: -1, onFailure: 16, standing: 16 });
    expect(examination.form).toBe(4 | 8 | 16);
  });

  it('aborts what is being examined when the modules are taken down', async () => {
    let signal: AbortSignal | undefined;
    const { router } = createTestRouter([
      {
        getInterestedUsers: (_, context) => {
          ({ signal } = context);
          return new Promise((resolve) => context.signal.addEventListener('abort', () => resolve([])));
        },
      },
    ]);
    const examination = router.examine(question);
    await router.stop();
    expect(signal?.aborted).toBe(true);
    expect((await examination).modules[0]?.interest).toMatchObject({ outcome: 'ok', answer: [] });
  });

  it('tells the watchdog where the process is, and blames nobody else for what holds it up', async () => {
    const calls: string[] = [];
    let pending = 0;
    const watchdog: Watchdog = {
      ...NO_WATCHDOG,
      enter: (section) => calls.push(`enter ${section}`) && 0,
      leave: () => void calls.push('leave'),
      pend: () => void pending++,
      unpend: () => --pending === 0,
    };
    const host = createTestHost();
    const limits = { ...DEFAULT_CALLBACK_LIMITS, timeoutMs: 2000 };
    const runner = new CallbackRunner<string, string>(
      {
        module: 'a',
        callback: 'getInterestedUsers',
        limits,
        call: () => {
          const until = performance.now() + 1010;
          while (performance.now() < until);
          return 'said';
        },
        check: String,
      },
      { ...host.context, watchdog },
    );
    const found = await examine(runner, 'x', { clock: host.clock, watchdog });
    expect(found).toMatchObject({
      outcome: 'blocked',
      answer: 'said',
      error: expect.stringContaining('held up the whole process'),
    });
    expect(calls).toEqual(['enter 0', 'leave', 'enter 0', 'leave']);
    // Until the watchdog has seen the process go on, nobody is alone with it.
    expect(pending).toBe(1);
    await until(() => pending === 0);
    expect((await host.memory.expose()).body).not.toContain('blocked');
  });
});
