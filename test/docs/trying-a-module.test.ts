/**
 * docs/guide/trying-a-module.md: its files are written, its commands are typed into a shell, and what they print is what the page shows. With
 * `UPDATE_DOCS=1` the page gets what they print.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { Shell } from './shell.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const file = join(root, 'docs/guide/trying-a-module.md');
const page = readFileSync(file, 'utf8');

/** Files, and commands with the output below them, in the order of the page. */
const BLOCK = /^```\w+ file=(\S+)\n([\s\S]*?)^```$|^```sh\n([\s\S]*?)^```\n```text\n([\s\S]*?)^```$/gm;

it('trying-a-module.md: every command prints what the page shows', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'thalamus-guide-'));
  const shell = new Shell(dir, dir);
  try {
    await shell.run(`alias thalamus='node ${join(root, 'bin/thalamus.js')}'`, 'set-up');
    let updated = page;
    let commands = 0;
    for (const [block, name, content = '', command = '', shown = ''] of page.matchAll(BLOCK)) {
      if (name !== undefined) {
        writeFileSync(join(dir, name), content);
        continue;
      }
      commands++;
      const printed = await shell.run(command, command);
      if (process.env['UPDATE_DOCS'] === '1') updated = updated.replace(block, block.replace(shown, printed));
      else expect(printed, command).toBe(shown);
    }
    expect(commands).toBe(4);
    if (updated !== page) writeFileSync(file, updated);
  } finally {
    await shell.end();
    rmSync(dir, { recursive: true, force: true });
  }
}, 120_000);
