/**
 * Runs a TypeScript file of this repository: `node scripts/run-ts.mjs <file.ts> [arguments]`.
 *
 * The file sees its own `process.argv`, and processes it forks run TypeScript, too.
 */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import './register-ts.mjs';

const [node = process.execPath, , file, ...rest] = process.argv;

if (file === undefined) {
  console.error('usage: node scripts/run-ts.mjs <file.ts> [arguments]');
  process.exitCode = 2;
} else {
  const path = resolve(file);
  process.argv = [node, path, ...rest];
  process.execArgv.push('--import', new URL('register-ts.mjs', import.meta.url).href);
  await import(pathToFileURL(path).href);
}
