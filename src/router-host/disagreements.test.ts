import { describe, expect, it } from 'vitest';
import { createTestRouter, raise, stateOf } from '../../test/support/host-context.ts';
import { ManualClock } from '../adapters/memory/index.ts';
import { DEFAULT_CALLBACK_LIMITS } from './callback-limits.ts';
import { Disagreements } from './disagreements.ts';

describe('examples of disagreements', () => {
  it('are distinct pairs, each with how often and when it was seen', async () => {
    const clock = new ManualClock();
    const disagreements = new Disagreements(clock);
    const pair = { observer: '@a:test', userId: '@u:test', namedBy: 'getUsersForStates' } as const;
    const start = clock.now();
    expect(disagreements.add(pair)).toBe(true);
    await clock.advance(1000);
    expect(disagreements.add({ ...pair, namedBy: 'getInterestedUsers' })).toBe(false);
    expect(disagreements.add({ ...pair, userId: '@v:test' })).toBe(false);
    await clock.advance(1000);
    expect(disagreements.add(pair)).toBe(false);
    const example = { observer: '@a:test', source: '@u:test', count: 1, firstTs: start + 1000, lastTs: start + 1000 };
    expect(disagreements.report).toEqual({
      count: 4,
      examples: [
        { ...example, namedBy: 'getUsersForStates', count: 2, firstTs: start, lastTs: start + 2000 },
        { ...example, namedBy: 'getInterestedUsers' },
        { ...example, source: '@v:test', namedBy: 'getUsersForStates' },
      ],
    });
  });

  it('are twenty, however many there are; all are counted', () => {
    const disagreements = new Disagreements(new ManualClock());
    for (let round = 0; round < 3; round += 1) {
      for (let index = 0; index < 1000; index += 1) {
        const pair = { userId: `@u${index % 7}:test`, namedBy: 'getUsersForStates' } as const;
        disagreements.add({ ...pair, observer: `@${index}:test` });
        // One observer with many sources, too.
        disagreements.add({ observer: '@0:test', userId: `@s${index}:test`, namedBy: 'getUsersForStates' });
      }
    }
    const { count, examples } = disagreements.report;
    expect([count, examples.length]).toEqual([6000, 20]);
    expect(examples.map((example) => example.count)).toEqual(Array.from({ length: 20 }, () => 3));
  });
});

describe('the report about modules', () => {
  it('row 344: has each with its callbacks, its limits, and where its callbacks disagree', async () => {
    const { router, clock } = createTestRouter([
      {
        getUsersForStates: (updates) => ({ '@x:test': updates, '@y:test': updates }),
        getInterestedUsers: (userId) => (userId === '@z:test' ? ['@u:test'] : []),
      },
      { getRestrictions: () => 'deny' },
    ]);
    for (const userId of ['@x:test', '@y:test', '@z:test'] as const) await router.getInterestedUsers(userId);
    const ts = clock.now();
    await router.getUsersForStates([stateOf('@u:test')]);
    await router.getRestrictions('@u:test', ['@x:test']);

    const counts = {
      calls: { ok: 1, rested: 0, threw: 0, timed_out: 0, invalid_return: 0, blocked: 0 },
      seconds: { total: expect.any(Number) as number, count: 1 },
      rests: 0,
      dropped: {},
      running: 0,
      restsUntilTs: null,
    };
    const example = { source: '@u:test', count: 1, firstTs: ts, lastTs: ts };
    const asked = { calls: { ...counts.calls, ok: 3 }, seconds: { ...counts.seconds, count: 3 } };
    expect(router.modules()).toEqual([
      {
        module: 'a',
        spec: null,
        limits: DEFAULT_CALLBACK_LIMITS,
        callbacks: [
          { callback: 'getUsersForStates', ...counts },
          { callback: 'getInterestedUsers', ...counts, ...asked },
        ],
        remembered: 4,
        disagreements: {
          count: 3,
          examples: [
            { ...example, observer: '@x:test', namedBy: 'getUsersForStates' },
            { ...example, observer: '@y:test', namedBy: 'getUsersForStates' },
            { ...example, observer: '@z:test', namedBy: 'getInterestedUsers' },
          ],
        },
      },
      {
        module: 'b',
        spec: null,
        limits: DEFAULT_CALLBACK_LIMITS,
        callbacks: [{ callback: 'getRestrictions', ...counts }],
        remembered: 1,
        disagreements: { count: 0, examples: [] },
      },
    ]);
    expect(router.modules()[0]?.callbacks[1]?.seconds.total).toBeGreaterThan(0);
  });

  it('has what went wrong, and what runs', async () => {
    const { router, clock } = createTestRouter(
      [
        {
          getUsersForStates: () => ({ nobody: [] }),
          getInterestedUsers: () => raise(new Error('no')),
          getRestrictions: () => new Promise(() => undefined),
        },
      ],
      { failuresBeforeRest: 1 },
    );
    await router.getUsersForStates([stateOf('@u:test')]);
    await router.getInterestedUsers('@x:test');
    await router.getInterestedUsers('@x:test');
    const answer = router.getRestrictions('@u:test', ['@x:test']);
    const [routes, interest, restrictions] = router.modules()[0]?.callbacks ?? [];
    expect(routes).toMatchObject({ calls: { ok: 1 }, dropped: { user_id: 1 } });
    expect(interest).toMatchObject({
      calls: { threw: 1, rested: 1 },
      rests: 1,
      restsUntilTs: clock.now() + 30_000,
      seconds: { count: 1 },
    });
    expect(restrictions).toMatchObject({ running: 1, seconds: { count: 0 } });
    await clock.advance(2000);
    await answer;
    expect(router.modules()[0]?.callbacks[2]).toMatchObject({ running: 0, calls: { timed_out: 1 } });
  });
});
