/**
 * Builds `dist` after `npm ci` and before `npm pack`.
 *
 * Under `--omit=dev` there is no compiler; then there is nothing to do here, and the install must still succeed.
 */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** @returns {string | undefined} the compiler's program file, when development dependencies are installed */
function findCompiler() {
  try {
    return createRequire(import.meta.url).resolve('typescript/bin/tsc');
  } catch {
    return undefined;
  }
}

const compiler = findCompiler();
if (compiler === undefined) {
  console.log('thalamus: TypeScript is not installed, so dist is not built');
} else {
  const { status } = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], {
    cwd: root,
    stdio: 'inherit',
  });
  process.exitCode = status ?? 1;
}
