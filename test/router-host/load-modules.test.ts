import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConfigError } from '../../src/errors.ts';
import * as kit from '../../src/module/index.ts';
import {
  DEFAULT_CALLBACK_LIMITS,
  loadModules,
  type ModuleEntry,
  ModuleLoadError,
} from '../../src/router-host/index.ts';

let dir: string;
beforeEach(() => {
  // Nothing is installed here, or anywhere above.
  dir = mkdtempSync(join(tmpdir(), 'modules-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true });
});

function file(name: string, text: string): void {
  mkdirSync(dirname(join(dir, name)), { recursive: true });
  writeFileSync(join(dir, name), text);
}

function entry(module: string, more: Partial<ModuleEntry> = {}): Omit<ModuleEntry, 'path'> {
  return { module, name: null, config: {}, callbacks: DEFAULT_CALLBACK_LIMITS, ...more };
}

let timeoutMs = 30_000;

async function load(...entries: (string | Omit<ModuleEntry, 'path'>)[]) {
  const list = entries.map((item, index) => ({
    ...(typeof item === 'string' ? entry(item) : item),
    path: ['modules', index],
  }));
  return loadModules(list, { configDir: dir, cacheDir: null, timeoutMs });
}

/** The one problem there is. */
async function problemOf(item: string | Omit<ModuleEntry, 'path'>): Promise<ConfigError | ModuleLoadError> {
  const { problems, modules } = await load(item);
  expect(problems).toHaveLength(1);
  expect(modules).toEqual([]);
  return problems[0]!;
}

const CLASS = 'export class Router { constructor(readonly config: unknown, readonly api: unknown) {} }\n';

describe('finding the file', () => {
  it('takes a TypeScript file as it is, with all of TypeScript, relative to the configuration', async () => {
    file(
      'sub/router.ts',
      `import { helper } from '../helper.js';\nenum Level { One = 1 }\n${CLASS}export const level: number = Level.One + helper;`,
    );
    file('helper.ts', 'export const helper: number = 41;');
    const { modules, problems } = await load('./sub/router.ts');
    expect(problems).toEqual([]);
    expect(modules[0]).toMatchObject({ name: '0', file: join(dir, 'sub/router.ts'), config: {} });
    expect(modules[0]?.definition).toBeTypeOf('function');
  });

  it.each([
    ['./router.mjs', 'export default class Router {}'],
    ['./router.js', 'export default class Router {}'],
    ['./router.cjs', 'module.exports = class Router {};'],
    ['./router.cjs#Router', 'module.exports = { Router: class Router {} };'],
    ['./await.ts', 'const made = await Promise.resolve(class Router {});\nexport default made;'],
  ])('takes %s, too', async (module, text) => {
    file(module.replace(/#.*/, ''), text);
    const { modules, problems } = await load(module);
    expect(problems).toEqual([]);
    expect(modules[0]?.definition).toHaveProperty('name', 'Router');
  });

  it('takes a package installed beside the configuration', async () => {
    file('node_modules/my-routers/package.json', '{"name":"my-routers","type":"module","exports":"./index.js"}');
    file(
      'node_modules/my-routers/index.js',
      "import { ConfigError } from 'thalamus/module';\nexport class Router { static E = ConfigError; }\nexport class Other {}",
    );
    const { modules, problems } = await load('my-routers#Router');
    expect(problems).toEqual([]);
    expect(modules[0]?.definition).toHaveProperty('E', ConfigError);
  });

  it('gives a module this very process’s kit though nothing is installed', async () => {
    file('router.ts', "import * as kit from 'thalamus/module';\nexport default { kit };");
    const { modules } = await load('./router.ts');
    const theirs = (modules[0]!.definition as unknown as { kit: typeof kit }).kit;
    expect(theirs.ConfigError).toBe(kit.ConfigError);
    expect(theirs.PRESENCE_ALL_USERS).toBe(kit.PRESENCE_ALL_USERS);
    expect(Object.keys(theirs).toSorted()).toEqual(Object.keys(kit).toSorted());
  });

  it('says which file is missing, and what the path is relative to', async () => {
    const problem = await problemOf('./nope.ts');
    expect(problem).toBeInstanceOf(ModuleLoadError);
    expect(problem.message).toBe(
      `modules[0] (./nope.ts): there is no file ${join(dir, 'nope.ts')}; the path is relative to the configuration file`,
    );
  });

  it('says which package is missing, and that a file needs "./"', async () => {
    expect((await problemOf('no-such-package#Router')).message).toBe(
      `modules[0] (no-such-package#Router): no package "no-such-package" is installed where ${dir} would find it`,
    );
    file('router.ts', CLASS);
    expect((await problemOf('router.ts')).message).toContain(
      '; for the file beside the configuration write "./router.ts"',
    );
  });

  it('compiles into the cache folder, and only there', async () => {
    file('router.ts', CLASS);
    const cacheDir = join(dir, 'state', 'modules');
    const path = ['modules', 0];
    await loadModules([{ ...entry('./router.ts'), path }], { configDir: dir, cacheDir });
    expect(readdirSync(cacheDir)).toHaveLength(1);
    expect(readdirSync(dir).toSorted()).toEqual(['router.ts', 'state']);
  });
});

describe('importing', () => {
  it.each([
    ['throws', 'throw new TypeError("not today");', 'not today'],
    ['throws something else', 'throw "not today";', '"not today" was thrown'],
    ['does not parse', 'export default class {{{', 'Unexpected token'],
    ['imports what is not there', "import x from './gone.ts'; export default x;", "Cannot find module './gone.ts'"],
    [
      'is no code but data',
      `export default ['${'x'.repeat(5_000_000)}'];`,
      'of 5000000 at most; keep data in JSON files',
    ],
  ])('says so when a file %s', async (_what, text, says) => {
    file('router.ts', text);
    const problem = await problemOf('./router.ts');
    expect(problem).toMatchObject({
      name: 'ModuleLoadError',
      code: 'PRESENCE_ERR_MODULE_LOAD',
      reason: 'import_failed',
    });
    expect(problem.message).toContain(`modules[0] (./router.ts): ${join(dir, 'router.ts')} could not be imported: `);
    expect(problem.message).toContain(says);
    expect(problem.cause).toBeInstanceOf(Error);
  });
});

describe('what the loader says', () => {
  it.each([
    ['a missing import', "import x from './gone.ts'; export default x;", "Cannot find module './gone.ts'"],
    ['a missing package', "import x from 'gone'; export default x;", "Cannot find module 'gone'"],
    [
      'a missing import of an import',
      "import x from './helper.ts'; export default x;",
      "Cannot find module './gone.ts', imported by DIR/helper.ts",
    ],
    ['a syntax error', 'export default class {{{', 'ParseError: Unexpected token at DIR/router.ts:1:22'],
    ['several lines', 'throw new Error("one\\n\\n  two\\nthree")', 'one: two'],
  ])('is one line about %s', async (_what, text, says) => {
    file('helper.ts', "import x from './gone.ts'; export default x;");
    file('router.ts', text);
    expect((await problemOf('./router.ts')).message).toBe(
      `modules[0] (./router.ts): ${join(dir, 'router.ts')} could not be imported: ${says.replaceAll('DIR', dir)}`,
    );
  });
});

describe('importing for ever', () => {
  it('ends at a deadline', async () => {
    file('router.ts', 'await new Promise(() => setInterval(() => {}, 1e6).unref()); export default 1;');
    timeoutMs = 500;
    const problem = await problemOf('./router.ts');
    timeoutMs = 30_000;
    expect(problem).toMatchObject({ name: 'ModuleLoadError', reason: 'import_failed' });
    expect(problem.message).toContain('the import did not finish within 0.5 s');
  });
});

describe('choosing the export', () => {
  it('takes the one that is named', async () => {
    file('router.ts', 'export class A {}\nexport class B {}\nexport default class C {}');
    const { modules } = await load('./router.ts#A', './router.ts#default', './router.ts');
    expect(modules.map(({ definition }) => (definition as unknown as { name: string }).name)).toEqual(['A', 'C', 'C']);
  });

  it('takes the only exported class or function, whatever else is exported', async () => {
    file('router.ts', 'export const limit = 5;\nexport function router() {}\nexport type T = string;');
    const { modules } = await load('./router.ts');
    expect(modules[0]?.definition).toHaveProperty('name', 'router');
  });

  it.each([
    [
      './router.ts',
      'export class A {}\nexport class B {}',
      'has no default export and more than one exported class or function; it exports A, B. Name one, as in "./router.ts#MyRouter"',
    ],
    [
      './router.ts',
      'export const a = 1;',
      'has no default export and no exported class or function; it exports a. Name one',
    ],
    ['./router.ts', 'console.info;', 'it exports nothing. Export a class, as in "export default class'],
    ['./router.ts#Router', 'export class Rooter {}', 'has no export "Router"; it exports Rooter'],
  ])('says what there is when %s has %j', async (module, text, says) => {
    file('router.ts', text);
    const problem = await problemOf(module);
    expect(problem).toMatchObject({ name: 'ModuleLoadError', reason: 'export_missing' });
    expect(problem.message).toContain(`modules[0] (${module}): ${join(dir, 'router.ts')}`);
    expect(problem.message).toContain(says);
  });

  it.each(['7', '"text"', 'null', '[]', 'new Map()'])('refuses %s as a module', async (value) => {
    file('router.ts', `export const Router = ${value};`);
    const problem = await problemOf('./router.ts#Router');
    expect(problem).toMatchObject({ name: 'ModuleLoadError', reason: 'not_a_module' });
    expect(problem.message).toContain(
      'a module is a class with (config, api), a function with (config, api), or a plain object',
    );
  });

  it('refuses a module that is written for another version of the API', async () => {
    file('router.ts', 'export default class { static readonly apiVersion = 2; }');
    const problem = await problemOf('./router.ts');
    expect(problem).toMatchObject({ name: 'ModuleLoadError', reason: 'api_version' });
    expect(problem.message).toContain('is written for version 2 of the module API; this server has version 1');
    file('router1.ts', 'export default class { static readonly apiVersion = 1; }');
    expect((await load('./router1.ts')).problems).toEqual([]);
  });
});

describe('parseConfig', () => {
  it('row 122: without it the module gets the mapping itself, frozen, and a copy', async () => {
    file('router.ts', CLASS);
    const config = { watched: [{ id: '@bob:test' }] };
    const { modules } = await load(entry('./router.ts', { config }));
    expect(modules[0]?.config).toEqual(config);
    expect(modules[0]?.config).not.toBe(config);
    const own = modules[0]?.config as typeof config;
    expect([own, own.watched, own.watched[0]].every((value) => Object.isFrozen(value))).toBe(true);
    expect(Object.isFrozen(config)).toBe(false);
  });

  it('gets the mapping frozen, and what it returns is frozen, deeply', async () => {
    file(
      'router.ts',
      `export default class {
      static parseConfig(config) { return { frozen: Object.isFrozen(config.list), list: [{ n: 1 }], since: new Map() }; }
    }`,
    );
    const { modules } = await load(entry('./router.ts', { config: { list: [] } }));
    const own = modules[0]?.config as { frozen: boolean; list: object[]; since: Map<string, string> };
    expect(own.frozen).toBe(true);
    expect([own, own.list, own.list[0]].every((value) => Object.isFrozen(value))).toBe(true);
    own.since.set('a', 'b');
  });

  it('row 121: gets an empty mapping when there is no config', async () => {
    file('router.ts', 'export default { parseConfig: (config) => ({ got: config }) };');
    expect((await load('./router.ts')).modules[0]?.config).toEqual({ got: {} });
  });

  it('may be asynchronous, and is called with its own `this`', async () => {
    file(
      'router.ts',
      'export default class { static prefix = "p"; static async parseConfig() { return this.prefix; } }',
    );
    expect((await load('./router.ts')).modules[0]?.config).toBe('p');
  });

  it('row 120: names the place in the configuration when it throws a ConfigError', async () => {
    file(
      'router.ts',
      `import { ConfigError } from 'thalamus/module';
      export default class { static parseConfig() { throw new ConfigError('is not a user id', ['watched', 0]); } }`,
    );
    const problem = await problemOf('./router.ts');
    expect(problem).toBeInstanceOf(ConfigError);
    expect(problem).toMatchObject({ message: 'is not a user id', path: ['modules', 0, 'config', 'watched', 0] });
  });

  it.each([
    ['an Error', 'new Error("bad")', 'bad', []],
    ['a schema library’s error', '{ issues: [{ path: ["a", 1], message: "Required" }] }', 'Required', ['a', 1]],
    ['a string', '"bad"', '"bad" was thrown', []],
    ['nothing', 'undefined', 'undefined was thrown', []],
    ['something hostile', 'new Proxy({}, { get() { throw 1 }, has() { throw 1 } })', 'a plain object was thrown', []],
  ])('row 120: is a configuration error with its cause when it throws %s', async (_what, thrown, message, path) => {
    file('router.ts', `export default class { static parseConfig() { throw ${thrown}; } }`);
    const problem = await problemOf('./router.ts');
    expect(problem).toBeInstanceOf(ConfigError);
    expect(problem).toMatchObject({ path: ['modules', 0, 'config', ...path] });
    expect(problem.message).toContain(message);
    expect(problem.cause).toBeInstanceOf(Error);
  });
});

describe('several entries', () => {
  it('loads them in order, each its own, also when two name the same file', async () => {
    file('router.ts', CLASS);
    const { modules } = await load(
      entry('./router.ts', { config: { n: 1 } }),
      entry('./router.ts', { config: { n: 2 }, name: 'second' }),
    );
    expect(modules.map(({ name, config }) => [name, config])).toEqual([
      ['0', { n: 1 }],
      ['second', { n: 2 }],
    ]);
  });

  it('finds the problems of all of them', async () => {
    file('bad.ts', 'export default class { static parseConfig() { throw new Error("bad"); } }');
    const { problems } = await load('./nope.ts', './bad.ts', './bad.ts#Gone');
    expect(problems.map(({ name }) => name)).toEqual(['ModuleLoadError', 'ConfigError', 'ModuleLoadError']);
  });

  it('touches nothing when there are none', async () => {
    expect(await load()).toEqual({ modules: [], problems: [], files: [] });
  });
});
