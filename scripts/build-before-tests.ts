/**
 * Brings dist up to date before tests that start the command line as users do, so that they never run yesterday's program.
 *
 * A type error is only reported here: the compiler writes its output all the same, and `npm run typecheck` is what fails.
 */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

export default function buildBeforeTests(): void {
  const compiler = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  const root = fileURLToPath(new URL('..', import.meta.url));
  const { status, stdout } = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], {
    cwd: root,
    encoding: 'utf8',
  });
  if (status !== 0) console.warn(`dist was built with type errors:\n${stdout}`);
}
