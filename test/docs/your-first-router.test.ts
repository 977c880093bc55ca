/**
 * docs/guide/your-first-router.md as a reader follows it: its files are written, its commands typed into two shells, in order, and what
 * they print is compared with the page. Numbers may differ, and `…` stands for anything.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { freePort } from '../support/free-port.ts';
import { Shell } from './shell.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const page = readFileSync(join(root, 'docs/guide/your-first-router.md'), 'utf8');

interface Block {
  readonly language: string;
  readonly file: string | null;
  readonly terminal: string;
  readonly text: string;
  readonly line: number;
}

function blocksOf(markdown: string): Block[] {
  return [...markdown.matchAll(/^```(\w*) ?(.*)\n([\s\S]*?)^```$/gm)].map((match) => {
    const [, language = '', attributes = '', text = ''] = match;
    const { file = null, terminal = 'first' } = Object.fromEntries(
      attributes.split(' ').map((attribute) => attribute.split('=')),
    ) as { file?: string; terminal?: string };
    const line = markdown.slice(0, match.index).split('\n').length;
    return { language, file, terminal, text, line };
  });
}

/** What the page shows, as what it stands for. */
function patternOf(shown: string): RegExp {
  const lines = shown.trimEnd().split('\n');
  const source = lines
    .map((line) =>
      line
        .trimEnd()
        .replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
        .replaceAll(/(?:< )?\d+(?:\\\.\d+)? ms/g, '(?:< )?[\\d.]+ ms')
        .replaceAll(/\d+/g, '\\d+')
        .replaceAll('…', '.*?'),
    )
    .join('[ ]*\\n');
  return new RegExp(`^${source}$`, 's');
}

// curl and bash are what the page is written for.
const hasTools = spawnSync('bash', ['-c', 'command -v curl sed']).status === 0;

it.skipIf(!hasTools)(
  'your-first-router.md: every file and every command, in order',
  async () => {
    const home = mkdtempSync(join(tmpdir(), 'first-router-'));
    const port = String(await freePort());
    const here = (text: string): string => text.replaceAll('8008', port);
    const folder = join(home, 'my-router');
    const first = new Shell(root, home);
    const server = new Shell(root, home);
    try {
      let output = '';
      for (const { language, file, terminal, text, line } of blocksOf(page)) {
        const place = `your-first-router.md:${line}`;
        if (file !== null) {
          mkdirSync(folder, { recursive: true });
          writeFileSync(join(folder, file), here(text));
        } else if (language === 'sh' && terminal === 'server') server.type(here(text));
        else if (language === 'sh') {
          if (terminal === 'both') await server.run(here(text), place);
          output = await first.run(here(text), place);
        } else if (language === 'text' && terminal === 'server') await server.waitFor(patternOf(here(text)), place);
        else if (language === 'text') expect(output.trimEnd(), place).toMatch(patternOf(here(text)));
        else throw new Error(`${place}: what is to be done with this?`);
      }
    } finally {
      await Promise.all([first.end(), server.end()]);
      rmSync(home, { recursive: true, force: true });
    }
  },
  180_000,
);
