import { deepStrictEqual } from 'node:assert/strict';
import * as fc from 'fast-check';
import { describe, it } from 'vitest';
import type { EngineOptions } from '../../src/core/engine-api.ts';
import { DEFAULT_TIMERS, engineOptions } from '../support/engine-driver.ts';
import { histories } from './history.ts';
import { Play } from './play.ts';

/**
 * The same histories every time, so that a change is judged by what it changes; `THALAMUS_SEED=random THALAMUS_RUNS=5000` looks for new ones.
 * A failure prints the seed.
 */
const { THALAMUS_SEED = '20261122', THALAMUS_RUNS = '300' } = process.env;
const numRuns = Number(THALAMUS_RUNS);
const parameters = { numRuns, ...(THALAMUS_SEED === 'random' ? {} : { seed: Number(THALAMUS_SEED) }) };

const SETTINGS: [string, Partial<EngineOptions>][] = [
  ['default settings', {}],
  ['inboxes of one entry', { limits: { maxPendingPerObserver: 1, maxRoutedPerUser: 1_000 } }],
  ['inboxes of three entries', { limits: { maxPendingPerObserver: 3, maxRoutedPerUser: 1_000 } }],
  [
    'timers of less than a second',
    { timers: { ...DEFAULT_TIMERS, lastActiveGranularityMs: 300, syncOnlineTimeoutMs: 200, idleTimeoutMs: 900 } },
  ],
];

describe.each(SETTINGS)('random histories, %s', (_, overrides) => {
  it('the engine does what the reference model does, step by step, and ends with everybody offline', () => {
    fc.assert(
      fc.property(histories, (steps) => {
        new Play(engineOptions({ tellsLoss: false, ...overrides })).run(steps).finish();
      }),
      parameters,
    );
  }, 120_000);

  it('the same history gives the same results', () => {
    fc.assert(
      fc.property(histories, (steps) => {
        const [one, other] = [
          new Play(engineOptions({ tellsLoss: false, ...overrides })),
          new Play(engineOptions({ tellsLoss: false, ...overrides })),
        ];
        deepStrictEqual(one.run(steps).answers, other.run(steps).answers);
      }),
      { ...parameters, numRuns: Math.ceil(numRuns / 10) },
    );
  }, 120_000);
});
