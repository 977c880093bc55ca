/**
 * Where figures are kept, and what is said about the machine they come from.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { arch, cpus, platform, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BenchReport } from './row.ts';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** One file a benchmark, so that one can be run again by itself. */
export function saveResult(name: string, result: unknown): void {
  const dir = join(ROOT, 'bench/results');
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, `${name}.json`), `${JSON.stringify(result, null, 2)}\n`);
}

export function describeMachine(): Pick<BenchReport, 'machine' | 'nodeVersion' | 'commit'> {
  const git = (...args: string[]): string => execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).trim();
  return {
    machine: {
      cpu: cpus()[0]?.model ?? 'unknown',
      cores: cpus().length,
      memoryBytes: totalmem(),
      os: `${platform()} ${release()} ${arch()}`,
    },
    nodeVersion: process.version,
    commit: { id: git('rev-parse', '--short', 'HEAD'), date: git('log', '-1', '--format=%cI') },
  };
}
