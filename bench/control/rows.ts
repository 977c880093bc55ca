/**
 * Full control's lines of the table, measured in a process of their own with the collector at hand.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { BenchRow } from '../row.ts';
import type { Answers, ControlFigures, MemoryFigures } from './measure.ts';

interface Figures {
  readonly control: readonly ControlFigures[];
  readonly memory: MemoryFigures;
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const WORDS: Record<Answers, string> = {
  bare: 'the same for everybody',
  exceptions: 'ten exceptions',
  each: 'every observer by name',
};
/** The rest of a delivery, which a client's request is, costs twenty times as much as this. */
const MICROSECONDS_A_DELIVERY = 1;
const MICROSECONDS_TO_ASK = 3;
const BYTES_A_PAIR = 100;

/** `share`: of the deliveries of a full run. */
export async function controlRows(runs: number, share: number): Promise<BenchRow[]> {
  const program = ['--expose-gc', 'scripts/run-ts.mjs', 'bench/control/run.ts', String(share), String(runs)];
  const { stdout } = await promisify(execFile)(process.execPath, program, { cwd: ROOT, timeout: 900_000 });
  const { control, memory } = JSON.parse(stdout) as Figures;
  const rows: BenchRow[] = [];
  for (const one of control) {
    const { observers, modules, answers } = one;
    const free = control.find((other) => other.observers === observers && other.modules === 0);
    if (modules === 0 || free === undefined) continue;
    rows.push(updateRow(one, free, runs));
    if (answers === 'each' && observers > 10) rows.push(askRow(one, runs));
  }
  return [...rows, memoryRow(memory)];
}

function to({ observers, modules, answers }: ControlFigures): string {
  const many = `${observers.toLocaleString('en-GB')} observers`;
  return `${many}, ${modules === 1 ? '1 module that restricts' : `${modules} modules that restrict`}: ${WORDS[answers]}`;
}

function updateRow(one: ControlFigures, free: ControlFigures, runs: number): BenchRow {
  const more = one.microsecondsPerDelivery - free.microsecondsPerDelivery;
  return {
    what: `presence without HTTP: one update to ${to(one)}; without modules`,
    measured: one.microsecondsPerUpdate,
    unit: 'µs',
    comparedWith: free.microsecondsPerUpdate,
    value: one.microsecondsPerUpdate / free.microsecondsPerUpdate,
    target: `at most ${MICROSECONDS_A_DELIVERY} µs more for a delivery`,
    isMet: more <= MICROSECONDS_A_DELIVERY,
    runs,
  };
}

function askRow(one: ControlFigures, runs: number): BenchRow {
  const perAnswer = one.microsecondsToAsk / one.observers / one.modules;
  return {
    what: `the first update of a source: asking about ${to(one)}`,
    measured: one.microsecondsToAsk,
    unit: 'µs',
    comparedWith: null,
    value: perAnswer,
    target: `at most ${MICROSECONDS_TO_ASK} µs an observer and module`,
    isMet: perAnswer <= MICROSECONDS_TO_ASK,
    runs,
  };
}

function memoryRow({ observers, bytesPerSource, bytesPerPair }: MemoryFigures): BenchRow {
  return {
    what: `memory of what a module said about a source and each of ${observers.toLocaleString('en-GB')} observers`,
    measured: bytesPerSource,
    unit: 'bytes',
    comparedWith: null,
    value: bytesPerPair,
    target: `at most ${BYTES_A_PAIR} bytes an observer`,
    isMet: bytesPerPair <= BYTES_A_PAIR,
    runs: 1,
  };
}
