import * as fc from 'fast-check';
import { describe, it } from 'vitest';
import type { EngineOptions } from '../../src/core/engine-api.ts';
import { engineOptions } from '../support/engine-driver.ts';
import { controlHistories } from './control-history.ts';
import { ControlPlay } from './control-play.ts';

/** As in engine.test.ts: the same histories every time; `THALAMUS_SEED=random THALAMUS_RUNS=5000` looks for new ones. */
const { THALAMUS_SEED = '20261122', THALAMUS_RUNS = '300' } = process.env;
const parameters = {
  numRuns: Number(THALAMUS_RUNS),
  ...(THALAMUS_SEED === 'random' ? {} : { seed: Number(THALAMUS_SEED) }),
};

const SETTINGS: [string, Partial<EngineOptions>][] = [
  ['default settings', {}],
  ['inboxes of one entry', { limits: { maxPendingPerObserver: 1, maxRoutedPerUser: 1_000 } }],
  ['inboxes of three entries', { limits: { maxPendingPerObserver: 3, maxRoutedPerUser: 1_000 } }],
];

describe.each(SETTINGS)('random histories of full control, %s', (_, overrides) => {
  it('row 328: nobody is told what is not for them, and in the end everybody believes what is so', () => {
    fc.assert(
      fc.property(controlHistories, (steps) => {
        new ControlPlay(engineOptions(overrides)).run(steps).finish();
      }),
      parameters,
    );
  }, 120_000);
});
