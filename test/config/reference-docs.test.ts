/**
 * The reference pages say what the program does: those that are written from the source are up to date, the others name everything.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { configPage, configSchemaFile, renderConfigPage, renderConfigSchema } from '../../scripts/gen-config-docs.ts';
import { logPage, renderLogPage } from '../../scripts/gen-log-docs.ts';
import { metricsPage, renderMetricsPage } from '../../scripts/gen-metrics-docs.ts';
import { createProgram } from '../../src/cli/program.ts';
import { processTerminal } from '../../src/cli/terminal.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts') && !path.endsWith('.test.ts'))
  .map((path) => read(`src/${path}`));

function namesIn(texts: readonly string[], pattern: RegExp): string[] {
  return [...new Set(texts.flatMap((text) => [...text.matchAll(pattern)].map(([, name = '']) => name)))].toSorted();
}

describe('docs/reference', () => {
  it('config.md and config.schema.json are up to date; npm run docs:reference writes it', () => {
    expect(readFileSync(configPage, 'utf8')).toBe(renderConfigPage());
    expect(readFileSync(configSchemaFile, 'utf8')).toBe(renderConfigSchema());
  });

  it('metrics.md is up to date; npm run docs:reference writes it', async () => {
    expect(readFileSync(metricsPage, 'utf8')).toBe(await renderMetricsPage());
  });

  it('log-fields.md is up to date; npm run docs:reference writes it', () => {
    expect(readFileSync(logPage, 'utf8')).toBe(renderLogPage());
  });

  it('errors.md has every code and errcode of the source, and no other', () => {
    const page = read('docs/reference/errors.md');
    expect(namesIn([page], /^\| `(PRESENCE_ERR_[A-Z_]+)`/gm)).toEqual(namesIn(sources, /'(PRESENCE_ERR_[A-Z_]+)'/g));
    expect(namesIn([page], /^\| `(M_[A-Z_]+)`/gm)).toEqual(
      namesIn([read('src/matrix/errors.ts')], /^ {2}\| '(M_[A-Z_]+)'/gm),
    );
  });

  it('command-line.md has every command and option, and no other', () => {
    const page = read('docs/reference/command-line.md');
    const { commands } = createProgram(processTerminal(), () => undefined);
    expect(namesIn([page], /^## `thalamus ([a-z-]+)/gm)).toEqual(commands.map((command) => command.name()).toSorted());
    const options = commands.flatMap((command) =>
      [command, ...command.commands].flatMap((one) => one.options.map(({ long }) => `${command.name()} ${long}`)),
    );
    const documented = page.split(/^## /m).flatMap((part) => {
      const [, command] = /^`thalamus ([a-z-]+)/.exec(part) ?? [];
      return [...part.matchAll(/^\|(.*?)\|/gm)].flatMap(([, cell = '']) =>
        [...cell.matchAll(/--[a-z-]+/g)].map(([long]) => `${command} ${long}`),
      );
    });
    expect(documented.filter((option) => !option.endsWith(' ---')).toSorted()).toEqual(options.toSorted());
  });
});
