/**
 * Sees to it that dist is what src says, for tests that run the program as users do: `node bin/thalamus.js`.
 *
 * After `npm ci` there is nothing to do. While src is being changed, the first test that needs it compiles once for all of them.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const repositoryDir = fileURLToPath(new URL('../..', import.meta.url));

const lock = join(repositoryDir, 'node_modules/.cache/thalamus/build.lock');
const STALE_LOCK_MS = 120_000;

export async function ensureBuilt(): Promise<void> {
  if (isBuilt()) return;
  mkdirSync(join(lock, '..'), { recursive: true });
  for (;;) {
    try {
      mkdirSync(lock);
      break;
    } catch {
      if (ageOf(lock) > STALE_LOCK_MS) rmSync(lock, { recursive: true, force: true });
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
  try {
    if (isBuilt()) return;
    const compiler = join(repositoryDir, 'node_modules/typescript/bin/tsc');
    // What is being written next to it may have type errors; the program is compiled all the same.
    spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], { cwd: repositoryDir, stdio: 'ignore' });
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

function isBuilt(): boolean {
  const built = mtimeOf(join(repositoryDir, 'dist/.tsbuildinfo'));
  return readdirSync(join(repositoryDir, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.test.ts'))
    .every((path) => mtimeOf(join(repositoryDir, 'src', path)) <= built);
}

function mtimeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function ageOf(path: string): number {
  return Date.now() - mtimeOf(path);
}
