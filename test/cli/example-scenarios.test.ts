import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { moduleTest } from '../../src/cli/commands/module-test.ts';
import type { Terminal } from '../../src/cli/terminal.ts';

const examples = fileURLToPath(new URL('../../examples/', import.meta.url));
const names = readdirSync(examples, { withFileTypes: true }).flatMap((entry) =>
  entry.isDirectory() ? entry.name : [],
);

describe.each(names)('the example %s', (name) => {
  it('does what its scenario says', async () => {
    const lines: string[] = [];
    const terminal = {
      cwd: join(examples, name),
      print: (line: string) => lines.push(line),
      complain: (line: string) => lines.push(line),
    } as unknown as Terminal;
    expect(await moduleTest(`./${name}.ts`, {}, terminal), lines.join('\n')).toBe(0);
  });

  it('has a README and a configuration', () => {
    for (const file of ['README.md', 'thalamus.yaml']) expect(existsSync(join(examples, name, file)), file).toBe(true);
  });
});
