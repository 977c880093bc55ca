import { describe, expect, it } from 'vitest';
import { type CheckOptions, checkImports, LAYERS, readOptions, readRepository } from './check-imports.ts';

const root = new URL('../', import.meta.url);
const options: CheckOptions = { packageName: 'thalamus', dependencies: new Set(['fastify', '@scope/tool']) };

/** What the check says about one file that consists of `text`. */
function messages(path: string, text: string): string[] {
  const seed = { path: 'src/errors.ts', text: '' };
  return checkImports([seed, { path, text }], options).map((violation) => violation.message);
}

describe('checkImports', () => {
  it('finds no violation in this repository', () => {
    const files = readRepository(root);
    expect(files.length).toBeGreaterThan(5);
    const violations = checkImports(files, readOptions(root));
    expect(violations.map(({ path, line, message }) => `${path}:${line}: ${message}`)).toEqual([]);
  });

  it('fails when there are no files to check', () => {
    expect(() => checkImports([], options)).toThrow('no source files');
    expect(() => checkImports([{ path: 'examples/a/b.ts', text: '' }], options)).toThrow('no source files');
  });

  it.each([
    ['src/core/x.ts', `import { a } from '../server/a.ts';`, 'core may not import server'],
    ['src/core/x.ts', `import type { A } from '../ports/a.ts';`, 'core may not import ports'],
    ['src/core/deep/x.ts', `export { a } from '../../ports/a.ts';`, 'core may not import ports'],
    ['src/core/x.ts', `export * from '../presence/a.ts';`, 'core may not import presence'],
    ['src/core/x.ts', `import '../presence/a.ts';`, 'core may not import presence'],
    ['src/core/x.ts', `const a = await import('../presence/a.ts');`, 'core may not import presence'],
    ['src/core/x.ts', `let a: import('../presence/a.ts').A;`, 'core may not import presence'],
    ['src/matrix/x.ts', `import { a } from '../core/a.ts';`, 'matrix may not import core'],
    ['src/errors.ts', `import { a } from './matrix/a.ts';`, 'errors may not import matrix'],
    ['src/module/x.ts', `import { a } from '../router-host/a.ts';`, 'module may not import router-host'],
    ['src/http/x.ts', `import { a } from '../adapters/sqlite/a.ts';`, 'http may not import adapters/sqlite'],
    [
      'src/adapters/sqlite/x.ts',
      `import { a } from '../memory/a.ts';`,
      'adapters/sqlite may not import adapters/memory',
    ],
    ['src/adapters/system-clock.ts', `import { a } from './memory/a.ts';`, 'adapters/system-clock may not import'],
    ['src/testing/x.ts', `import { a } from '../adapters/sqlite/a.ts';`, 'testing may not import adapters/sqlite'],
    ['src/cli/x.ts', `import { a } from '../http/a.ts';`, 'cli may not import http'],
    ['src/server/x.ts', `import { a } from '../cli/a.ts';`, 'server may not import cli'],
    ['src/cli/x.ts', `import { a } from '../index.ts';`, 'cli may not import index'],
  ])('finds the upward or sideways import of %s: %s', (path, text, message) => {
    expect(messages(path, text)).toEqual([expect.stringContaining(message)]);
  });

  it.each([
    ['src/core/x.ts', `import { a } from '../matrix/a.ts';`],
    ['src/core/x.ts', `import { a } from './deep/a.ts';`],
    ['src/router-host/x.ts', `import { a } from '../module/a.ts';`],
    ['src/adapters/sqlite/x.ts', `import { a } from './deep/a.ts'; import { b } from '../../ports/b.ts';`],
    ['src/adapters/sqlite/x.ts', `import { readFile } from 'node:fs/promises'; import fastify from 'fastify';`],
    ['src/server/x.ts', `import { a } from '../adapters/sqlite/a.ts'; import { b } from '@scope/tool/sub';`],
    ['src/testing/x.ts', `import { a } from '../adapters/memory/a.ts';`],
    ['src/core/x.test.ts', `import { a } from '../testing/a.ts'; import { it } from 'vitest';`],
    ['src/presence/x.test.ts', `import { a } from '../adapters/memory/a.ts';`],
    ['src/http/x.test.ts', `import { a } from '../../test/support/a.ts';`],
    ['examples/one/one.ts', `import { a } from 'thalamus/module'; import { b } from './helper.ts';`],
    ['examples/one/one.test.ts', `import { it } from 'vitest'; import { a } from 'thalamus/module/testing';`],
  ])('lets %s say %s', (path, text) => {
    expect(messages(path, text)).toEqual([]);
  });

  it('lets a layer take types where the table says types only', () => {
    expect(messages('src/ports/x.ts', `import type { A } from '../core/a.ts';`)).toEqual([]);
    expect(messages('src/ports/x.ts', `import { type A, type B } from '../core/a.ts';`)).toEqual([]);
    expect(messages('src/ports/x.ts', `export type { A } from '../core/a.ts';`)).toEqual([]);
    expect(messages('src/ports/x.ts', `import { type A, b } from '../core/a.ts';`)).toEqual([
      `ports may import only types from core: '../core/a.ts'`,
    ]);
    expect(messages('src/ports/x.ts', `export { type A, b } from '../core/a.ts';`)).toHaveLength(1);
    expect(messages('src/ports/x.ts', `import {} from '../core/a.ts';`)).toHaveLength(1);
  });

  it('does not let a test reach above its folder either', () => {
    expect(messages('src/core/x.test.ts', `import { a } from '../server/a.ts';`)).toHaveLength(1);
    expect(messages('src/core/x.test.ts', `import { a } from '../../test/client-api/a.ts';`)).toHaveLength(1);
  });

  it.each(['errors.ts', 'matrix/x.ts', 'core/x.ts', 'ports/x.ts', 'module/x.ts'])(
    'keeps packages out of %s',
    (path) => {
      expect(messages(`src/${path}`, `import { readFile } from 'node:fs';`)).toHaveLength(1);
      expect(messages(`src/${path}`, `import type { A } from 'fastify';`)).toHaveLength(1);
    },
  );

  it('refuses what an installation does not have', () => {
    expect(messages('src/http/x.ts', `import { a } from 'vitest';`)).toEqual([
      `imports 'vitest', which an installation does not have`,
    ]);
    expect(messages('src/http/x.ts', `import { a } from 'fs';`)).toEqual([`imports 'fs'; write 'node:fs'`]);
    expect(messages('src/http/x.ts', `import { a } from 'thalamus/core';`)).toHaveLength(1);
    expect(messages('src/http/x.ts', `import { a } from '../../bench/a.ts';`)).toHaveLength(1);
    expect(messages('src/http/x.ts', `import { a } from '../matrix/a.js';`)).toHaveLength(1);
  });

  it('holds examples to the public names', () => {
    expect(messages('examples/one/one.ts', `import { a } from '../../src/module/a.ts';`)).toHaveLength(1);
    expect(messages('examples/one/one.ts', `import { a } from '../two/two.ts';`)).toHaveLength(1);
    expect(messages('examples/one/one.ts', `import { a } from 'fastify';`)).toHaveLength(1);
  });

  it('reports a folder without a place in the table, and a file that does not parse', () => {
    expect(messages('src/misc/x.ts', '')).toEqual([expect.stringContaining('does not name')]);
    expect(messages('src/http/x.ts', 'import {')).toEqual([expect.stringContaining('does not parse')]);
  });

  it('tells the line', () => {
    const text = `import { a } from '../matrix/a.ts';\n\nimport { b } from '../http/b.ts';\n`;
    expect(checkImports([{ path: 'src/core/x.ts', text }], options)).toEqual([
      { path: 'src/core/x.ts', line: 3, message: `core may not import http: '../http/b.ts'` },
    ]);
  });
});

describe('LAYERS', () => {
  it('has no cycle', () => {
    const visiting = new Set<string>();
    const walk = (name: string): void => {
      const layer = name.split('/')[0] ?? name;
      expect(visiting, `${[...visiting].join(' → ')} → ${layer}`).not.toContain(layer);
      visiting.add(layer);
      for (const next of [...(LAYERS[layer]?.may ?? []), ...(LAYERS[layer]?.mayTypes ?? [])]) walk(next);
      visiting.delete(layer);
    };
    for (const name of Object.keys(LAYERS)) walk(name);
  });
});
