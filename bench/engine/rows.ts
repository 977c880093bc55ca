/**
 * The engine's lines of the table, measured in a process of their own with the collector at hand.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { BenchRow } from '../row.ts';
import type { measureDeliveries } from './deliveries.ts';
import type { measureGrowth } from './growth.ts';
import type { measureMemory } from './memory.ts';

interface EngineFigures {
  readonly memory: ReturnType<typeof measureMemory>;
  readonly deliveries: ReturnType<typeof measureDeliveries>;
  readonly growth: ReturnType<typeof measureGrowth>;
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DELIVERIES_TO_REACH = 1_000_000;
const BYTES_TO_REACH = 400;
const FLAT = 1.5;

export async function engineRows(): Promise<BenchRow[]> {
  const program = ['--expose-gc', 'scripts/run-ts.mjs', 'bench/engine/run.ts'];
  const { stdout } = await promisify(execFile)(process.execPath, program, { cwd: ROOT, timeout: 600_000 });
  const { memory, deliveries, growth } = JSON.parse(stdout) as EngineFigures;
  const [few, many] = [growth[0], growth.at(-1)];
  if (few === undefined || many === undefined) throw new Error('growth was not measured');
  const cost = many.microsecondsPerUpdate / few.microsecondsPerUpdate;
  const absolute = { comparedWith: null, runs: 1 } as const;
  return [
    {
      ...absolute,
      what: `engine alone: routed deliveries, ${deliveries.users.toLocaleString('en-GB')} users, power-law rooms`,
      measured: deliveries.deliveriesPerSecond,
      unit: 'per CPU-second',
      value: deliveries.deliveriesPerSecond,
      target: 'at least 1,000,000',
      isMet: deliveries.deliveriesPerSecond >= DELIVERIES_TO_REACH,
    },
    {
      ...absolute,
      what: 'engine alone: memory per tracked user with 20 rooms',
      measured: memory.bytesPerUser,
      unit: 'bytes',
      value: memory.bytesPerUser,
      target: 'at most 400',
      isMet: memory.bytesPerUser <= BYTES_TO_REACH,
    },
    {
      what: `engine alone: one update to ${many.observersPerUpdate} observers among ${many.users.toLocaleString('en-GB')} users, against ${few.users.toLocaleString('en-GB')}`,
      measured: many.microsecondsPerUpdate,
      unit: 'µs',
      comparedWith: few.microsecondsPerUpdate,
      value: cost,
      target: 'does not follow the number of users',
      isMet: cost <= FLAT,
      runs: 1,
    },
  ];
}
