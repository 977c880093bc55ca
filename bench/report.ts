/**
 * `npm run bench:report`: writes docs/reference/benchmarks.md from the figures in bench/results/.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SoakResult } from './load/soak.ts';
import { type BenchReport, type BenchRow, formatNumber } from './row.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const RESULTS = join(ROOT, 'bench/results');
const NAMES = [
  'delivery',
  'requests',
  'idle',
  'start',
  'engine',
  'control',
  'federation',
  'destinations',
  'keepalive',
] as const;
const NOTES = join(ROOT, 'bench/notes.md');
/** Drawn by `npm run bench -- keepalive`. */
const GRAPH = join(ROOT, 'docs/reference/keep-alive.svg');
const GRAPH_TEXT = [
  '![Requests per second, minute 20 to 80](keep-alive.svg)',
  '',
  'Other servers forget presence after 30 minutes, so everybody is told of again after 25. 100,000 users, 1,000 servers, simulated',
  'time; the highest second of each ten. The spread takes 45 seconds by user and up to 3 minutes by server; what is due for a server',
  'in the meantime goes in one request. A server that takes 500 states at once gets them at once: that is the height of the blue line.',
].join('\n');

const reports = NAMES.map((name) => read(name) as BenchReport | null).filter((report) => report !== null);
const soak = read('soak') as (SoakResult & Omit<BenchReport, 'rows'>) | null;
writeFileSync(join(ROOT, 'docs/reference/benchmarks.md'), render());

function read(name: string): unknown {
  const file = join(RESULTS, `${name}.json`);
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : null;
}

function render(): string {
  const rows = reports.flatMap((report) => report.rows);
  return `${[
    '# Benchmarks',
    '<!-- Made by `npm run bench:report` from bench/results; notes are in bench/notes.md. -->',
    [
      'Measured by `npm run bench`. Ratios are of figures from one run on one machine: server and ceiling take turns, and only',
      'the CPU time of the measured process counts. The ceiling is a bare `node:http` program that gets the same requests and',
      'does the least that one can do with them (`bench/ceiling/hub.ts`; between servers, `bench/federation/hub.ts`).',
    ].join('\n'),
    table(rows),
    ...(existsSync(GRAPH) ? ['## Keep-alives', GRAPH_TEXT] : []),
    ...(soak === null ? [] : ['## Soak', soakText(soak)]),
    '## Where and when',
    whereAndWhen(),
    ...(existsSync(NOTES) ? [readFileSync(NOTES, 'utf8').trim()] : []),
  ].join('\n\n')}\n`;
}

function table(rows: readonly BenchRow[]): string {
  const lines = rows.map(({ what, measured, unit, comparedWith, value, target, isMet }) => {
    const against = comparedWith === null ? '' : formatNumber(comparedWith);
    return `| ${what} | ${formatNumber(measured)} ${unit} | ${against} | ${formatNumber(value)} | ${target} | ${isMet ? 'yes' : '**no**'} |`;
  });
  return [
    '| what | measured | compared with | result | to reach | reached |',
    '|---|---|---|---|---|---|',
    ...lines,
  ].join('\n');
}

function soakText(result: SoakResult): string {
  const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;
  return [
    `${result.clients} long-polling clients, ${result.changing} of them changing, for ${result.minutes} minutes:`,
    `${formatNumber(result.changes)} changes, ${formatNumber(result.deliveries)} deliveries, ${result.errors.length} errors,`,
    `${result.missedFinalStates} missed final states. Resident memory ${mb(result.rssAfterWarmUpBytes)} after the warm-up,`,
    `${mb(result.rssAtEndBytes)} at the end. Slowest delivery ${result.slowestDeliveryMs} ms.`,
  ].join('\n');
}

function whereAndWhen(): string {
  const lines = [...reports, ...(soak === null ? [] : [soak])].map(
    ({ machine, nodeVersion, commit, startedAt }) =>
      `- ${startedAt.slice(0, 10)}: ${machine.cores} × ${machine.cpu}, ${(machine.memoryBytes / 2 ** 30).toFixed(0)} GiB, ${machine.os}, Node ${nodeVersion}, commit of ${commit.date.slice(0, 10)}`,
  );
  return [...new Set(lines)].join('\n');
}
