#!/usr/bin/env node
import { existsSync } from 'node:fs';

const main = new URL('../dist/cli/main.js', import.meta.url);

if (existsSync(main)) {
  await import(main.href);
} else {
  process.stderr.write(
    'thalamus: the compiled program is missing (dist/cli/main.js).\n' +
      'In a source checkout run `npm ci`, which also builds, or `npm run build`.\n' +
      'In an installed package this is a broken install: install the package again.\n',
  );
  process.exitCode = 1;
}
