/**
 * `npm run bench`: every benchmark, a table on the terminal, and the figures as JSON in bench/results/.
 *
 * `npm run bench -- delivery requests idle start engine control federation destinations keepalive` runs some of them; `--quick` makes them small, to see that
 * they work. Benchmarks are never tests: a slow machine makes nothing fail, a missed target is only said.
 */
import { execFileSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { controlRows } from './control/rows.ts';
import { engineRows } from './engine/rows.ts';
import { destinationRows, MANY_DESTINATIONS } from './federation/destinations.ts';
import { keepAliveRows } from './federation/keep-alive-rows.ts';
import { federationRows } from './federation/rows.ts';
import { deliveryRows, FULL_SCALE, idleRows, requestRows, type ScenarioScale, startRows } from './load/scenarios.ts';
import { describeMachine, ROOT, saveResult } from './results.ts';
import { type BenchRow, formatNumber } from './row.ts';

const QUICK_SCALE: ScenarioScale = {
  runs: 1,
  observers: 50,
  changes: 40,
  requests: 3000,
  idleClients: 300,
  storedUsers: 5000,
};

const FEW_DESTINATIONS = { live: 70, dead: 30, warmUpMs: 4000, measuredMs: 4000, deadAlone: 1000 };

const BENCHMARKS: Readonly<Record<string, (scale: ScenarioScale) => Promise<readonly BenchRow[]>>> = {
  delivery: deliveryRows,
  requests: requestRows,
  idle: idleRows,
  start: startRows,
  engine: engineRows,
  control: ({ runs }) => controlRows(Math.min(runs, 3), runs === 1 ? 0.1 : 1),
  federation: ({ runs }) => federationRows(runs, runs === 1 ? 0.1 : 1),
  destinations: ({ runs }) => destinationRows(runs === 1 ? FEW_DESTINATIONS : MANY_DESTINATIONS),
  keepalive: ({ runs }) => keepAliveRows(runs === 1),
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean', default: false } },
});
const names = positionals.length === 0 ? Object.keys(BENCHMARKS) : positionals;
const unknown = names.filter((name) => !Object.hasOwn(BENCHMARKS, name));
if (unknown.length > 0) {
  console.error(`no such benchmark: ${unknown.join(', ')}; there are ${Object.keys(BENCHMARKS).join(', ')}`);
  process.exitCode = 2;
} else {
  await main();
}

async function main(): Promise<void> {
  // What is measured is the program as it is installed.
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: ROOT, stdio: 'inherit' });
  const description = values.quick ? null : describeMachine();
  const rows: BenchRow[] = [];
  for (const name of names) {
    const startedAt = new Date().toISOString();
    console.error(`measuring: ${name} …`);
    const measured = await BENCHMARKS[name]!(values.quick ? QUICK_SCALE : FULL_SCALE);
    rows.push(...measured);
    if (description !== null) saveResult(name, { startedAt, ...description, rows: measured });
  }
  printTable(rows);
}

function printTable(rows: readonly BenchRow[]): void {
  for (const { what, measured, unit, comparedWith, value, target, isMet } of rows) {
    const against = comparedWith === null ? '' : ` against ${formatNumber(comparedWith)}`;
    console.log(`${isMet ? 'met   ' : 'MISSED'}  ${what}`);
    console.log(`        ${formatNumber(measured)} ${unit}${against}: ${formatNumber(value)} (${target})`);
  }
}
