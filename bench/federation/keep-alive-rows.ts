/**
 * The lines of the table about keep-alives, and their graph in docs/reference/keep-alive.svg.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../results.ts';
import type { BenchRow } from '../row.ts';
import {
  audience,
  KEEP_ALIVE_POPULATION,
  type KeepAliveResult,
  MINUTE_MS,
  simulateKeepAlives,
  STATES_PER_REQUEST,
} from './keep-alive.ts';
import { keepAliveSvg } from './keep-alive-graph.ts';

const PERIOD_MINUTES = 25;
const MINUTES = 80;
const GRAPH_FROM_MINUTE = 20;
/** When the keep-alives of those who came one by one are in full swing: two periods of them. */
const STEADY_FROM_MINUTE = 28;
const FORGOTTEN_AFTER_MINUTES = 30;

/** @param isQuick - a tenth of the users, and no graph */
export async function keepAliveRows(isQuick: boolean): Promise<BenchRow[]> {
  const scale = isQuick ? 0.1 : 1;
  const { users, largestDestination } = KEEP_ALIVE_POPULATION;
  const population = {
    ...KEEP_ALIVE_POPULATION,
    users: users * scale,
    largestDestination: largestDestination * scale,
  };
  const atOnce = await simulateKeepAlives(population, MINUTES);
  const oneByOne = await simulateKeepAlives({ ...population, arrivalMs: PERIOD_MINUTES * MINUTE_MS }, MINUTES);
  // Everybody who came online in one second is due in one second, and full requests are the least that it takes.
  const naivePeak = audience(population).reduce((sum, count) => sum + Math.ceil(count / STATES_PER_REQUEST), 0);
  if (!isQuick) writeFileSync(join(ROOT, 'docs/reference/keep-alive.svg'), draw(atOnce, oneByOne, naivePeak));
  return [...rowsAtOnce(atOnce, naivePeak), ...rowsOneByOne(oneByOne), silenceRow([atOnce, oneByOne])];
}

function rowsAtOnce(result: KeepAliveResult, naivePeak: number): BenchRow[] {
  const requests = between(result, PERIOD_MINUTES, 2 * PERIOD_MINUTES);
  const peak = Math.max(...requests);
  const who = named(result, 'online since the same second');
  return [
    {
      what: `keep-alives of ${who}: busiest second, against all at minute 25`,
      measured: peak,
      unit: 'requests',
      comparedWith: naivePeak,
      value: peak / naivePeak,
      target: 'at most 0.1',
      isMet: peak <= naivePeak * 0.1,
      runs: 1,
    },
    {
      what: 'the same: mean of a period, against all at minute 25',
      measured: mean(requests),
      unit: 'requests per second',
      comparedWith: naivePeak / (PERIOD_MINUTES * 60),
      value: (mean(requests) * PERIOD_MINUTES * 60) / naivePeak,
      target: 'at most 2',
      isMet: mean(requests) * PERIOD_MINUTES * 60 <= naivePeak * 2,
      runs: 1,
    },
  ];
}

function rowsOneByOne(result: KeepAliveResult): BenchRow[] {
  const requests = between(result, STEADY_FROM_MINUTE, STEADY_FROM_MINUTE + 2 * PERIOD_MINUTES);
  const peak = Math.max(...requests);
  const everyOne = result.states / (PERIOD_MINUTES * 60);
  const who = named(result, 'who came online one by one');
  return [
    {
      what: `keep-alives of ${who}: mean, against a request for each when it is due`,
      measured: mean(requests),
      unit: 'requests per second',
      comparedWith: everyOne,
      value: mean(requests) / everyOne,
      target: 'at most 0.1',
      isMet: mean(requests) <= everyOne * 0.1,
      runs: 1,
    },
    {
      what: 'the same: busiest second, against the mean',
      measured: peak,
      unit: 'requests',
      comparedWith: mean(requests),
      value: peak / mean(requests),
      target: 'at most 5',
      isMet: peak <= mean(requests) * 5,
      runs: 1,
    },
  ];
}

function silenceRow(results: readonly KeepAliveResult[]): BenchRow {
  const minutes = Math.max(...results.map(({ longestSilenceMs }) => longestSilenceMs)) / MINUTE_MS;
  return {
    what: 'both: longest time that a server did not hear of a user',
    measured: minutes,
    unit: 'minutes',
    comparedWith: null,
    value: minutes,
    target: 'below 30, when peers forget',
    isMet: minutes < FORGOTTEN_AFTER_MINUTES,
    runs: 1,
  };
}

function draw(atOnce: KeepAliveResult, oneByOne: KeepAliveResult, naivePeak: number): string {
  const spike = `${naivePeak.toLocaleString('en-GB')} in one second, if all were sent when due`;
  return keepAliveSvg({
    fromMinute: GRAPH_FROM_MINUTE,
    toMinute: MINUTES,
    lines: [
      { label: 'all online since the same second', colour: '#1f5fa8', result: atOnce },
      { label: 'came online one by one, over 25 minutes', colour: '#2e7d32', result: oneByOne },
    ],
    spikes: [PERIOD_MINUTES, 2 * PERIOD_MINUTES, 3 * PERIOD_MINUTES].map((minute, i) => ({
      minute,
      label: i === 0 ? spike : '',
    })),
  });
}

function named({ users, destinations }: KeepAliveResult, which: string): string {
  return `${users.toLocaleString('en-GB')} users to ${destinations.toLocaleString('en-GB')} servers, ${which}`;
}

function between({ requests }: KeepAliveResult, fromMinute: number, toMinute: number): readonly number[] {
  return requests.slice(fromMinute * 60, toMinute * 60);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
