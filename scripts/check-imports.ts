/**
 * Checks that imports point one way: every folder under src may import only what the table below gives it.
 *
 * `npm run check:imports` runs it over the repository, and check-imports.test.ts runs it over planted violations. It reads files with a
 * parser of its own, so it does not depend on how the compiler resolves names; what it cannot read or place is a violation, too.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, normalize } from 'node:path/posix';
import { pathToFileURL } from 'node:url';
import { parseSync } from 'oxc-parser';

interface Layer {
  /** Folders whose values and types may be imported, besides the folder itself. */
  readonly may: readonly string[];
  /** Folders of which only types may be imported. */
  readonly mayTypes?: readonly string[];
  /** Pure: no Node modules and no packages, so that it runs, and can be embedded, anywhere. */
  readonly pure?: boolean;
}

/** The whole architecture as a table. A folder that is not here may not exist; `adapters` stands for each folder below it. */
export const LAYERS: Readonly<Record<string, Layer>> = {
  errors: { may: [], pure: true },
  matrix: { may: ['errors'], pure: true },
  core: { may: ['matrix', 'errors'], pure: true },
  ports: { may: ['matrix', 'errors'], mayTypes: ['core'], pure: true },
  module: { may: ['matrix', 'errors'], mayTypes: ['core'], pure: true },
  'router-host': { may: ['module', 'core', 'ports', 'matrix', 'errors'] },
  presence: { may: ['router-host', 'core', 'ports', 'matrix', 'errors'], mayTypes: ['module'] },
  federation: { may: ['ports', 'matrix', 'errors'], mayTypes: ['core'] },
  homeserver: { may: ['presence', 'ports', 'matrix', 'errors'] },
  adapters: { may: ['ports', 'matrix', 'errors'], mayTypes: ['core'] },
  http: { may: ['homeserver', 'federation', 'presence', 'router-host', 'matrix', 'errors'], mayTypes: ['ports'] },
  config: { may: ['matrix', 'errors'] },
  server: {
    may: [
      'http',
      'homeserver',
      'federation',
      'presence',
      'router-host',
      'module',
      'core',
      'ports',
      'adapters',
      'config',
      'matrix',
      'errors',
    ],
  },
  // `testing`: `thalamus module test` is a harness with a file for a test.
  cli: { may: ['server', 'config', 'testing', 'matrix', 'errors'] },
  // `adapters/traffic`: records of traffic are replayed.
  testing: {
    may: [
      'presence',
      'router-host',
      'module',
      'ports',
      'core',
      'adapters/memory',
      'adapters/traffic',
      'matrix',
      'errors',
    ],
  },
  // The package's front door: re-exports of whatever is public, and nothing imports it.
  index: {
    may: [
      'server',
      'http',
      'homeserver',
      'federation',
      'presence',
      'router-host',
      'module',
      'core',
      'ports',
      'adapters',
      'config',
      'matrix',
      'errors',
    ],
  },
};

/** What a test beside its subject may import in addition to what its folder may. */
const TEST_EXTRAS = ['testing', 'adapters/memory'];
const TEST_SUPPORT = 'test/support/';

export interface SourceFile {
  /** Relative to the repository, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

export interface Violation {
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

interface Import {
  readonly specifier: string;
  readonly typeOnly: boolean;
  readonly line: number;
}

export interface CheckOptions {
  /** The package's own name; examples import it, and src does not. */
  readonly packageName: string;
  /** Packages that an installation has: not the development dependencies. */
  readonly dependencies: ReadonlySet<string>;
}

/**
 * Returns every forbidden import, in the order of `files`.
 *
 * @throws Error when there is nothing to check, so that a wrong path or pattern can never look like success
 */
export function checkImports(files: readonly SourceFile[], options: CheckOptions): Violation[] {
  if (!files.some((file) => file.path.startsWith('src/'))) {
    throw new Error('no source files were found: the check has nothing to look at');
  }
  const violations: Violation[] = [];
  for (const file of files) {
    const { imports, errors } = readImports(file);
    violations.push(...errors);
    for (const found of imports) {
      const message = file.path.startsWith('examples/')
        ? checkExample(file.path, found, options)
        : checkSource(file.path, found, options);
      if (message !== null) violations.push({ path: file.path, line: found.line, message });
    }
    if (file.path.startsWith('src/') && layerOf(file.path) === null) {
      violations.push({ path: file.path, line: 1, message: 'is in a folder that the table of layers does not name' });
    }
  }
  return violations;
}

/** Returns what is wrong with one import of a file under src, or null. */
function checkSource(path: string, found: Import, options: CheckOptions): string | null {
  const from = layerOf(path);
  if (from === null) return null;
  const isTest = path.endsWith('.test.ts');
  const layer = LAYERS[from.split('/')[0] ?? from];
  if (layer === undefined) return null;

  if (!isRelative(found.specifier)) {
    if (packageOf(found.specifier) === options.packageName) {
      return `imports '${found.specifier}' by name; inside src use the relative path`;
    }
    if (isTest) return null;
    if (layer.pure === true) return `${from} is pure and may not import '${found.specifier}'`;
    return checkInstalled(found, options);
  }

  const target = normalize(join(dirname(path), found.specifier));
  if (isTest && target.startsWith(TEST_SUPPORT)) return null;
  if (!target.startsWith('src/')) return `imports '${found.specifier}', which is outside src`;
  if (!target.endsWith('.ts')) return `imports '${found.specifier}'; write the file's own name, ending in .ts`;
  const to = layerOf(target);
  if (to === null) return `imports '${found.specifier}', which is in no known layer`;
  if (to === from) return null;

  const names = [to, to.split('/')[0] ?? to];
  const listed = (list: readonly string[] = []): boolean => names.some((name) => list.includes(name));
  if (listed(layer.may) || (isTest && listed(TEST_EXTRAS))) return null;
  if (listed(layer.mayTypes)) {
    return found.typeOnly || isTest ? null : `${from} may import only types from ${to}: '${found.specifier}'`;
  }
  return `${from} may not import ${to}: '${found.specifier}'`;
}

/** An example is written as an author outside this repository would write it. */
function checkExample(path: string, found: Import, options: CheckOptions): string | null {
  if (isRelative(found.specifier)) {
    const own = path.split('/').slice(0, 2).join('/');
    const target = normalize(join(dirname(path), found.specifier));
    return target.startsWith(`${own}/`) ? null : `imports '${found.specifier}', which is outside the example`;
  }
  if (packageOf(found.specifier) === options.packageName || path.endsWith('.test.ts')) return null;
  return `examples import only '${options.packageName}/…', not '${found.specifier}'`;
}

function checkInstalled(found: Import, options: CheckOptions): string | null {
  if (found.specifier.startsWith('node:') || found.typeOnly) return null;
  const name = packageOf(found.specifier);
  if (builtinModules.includes(name)) return `imports '${found.specifier}'; write 'node:${found.specifier}'`;
  return options.dependencies.has(name) ? null : `imports '${found.specifier}', which an installation does not have`;
}

/** `src/core/x.ts` → core; `src/adapters/sqlite/x.ts` → adapters/sqlite; `src/index.ts` → index; null if the table has no such layer. */
function layerOf(path: string): string | null {
  const [, first = '', second = ''] = path.split('/');
  const stem = (part: string): string => part.replace(/(\.test)?\.ts$/, '');
  if (first === 'adapters') return `adapters/${stem(second)}`;
  return Object.hasOwn(LAYERS, stem(first)) ? stem(first) : null;
}

function isRelative(specifier: string): boolean {
  return specifier.startsWith('.') || specifier.startsWith('/') || specifier.startsWith('file:');
}

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

/** Lists static imports, re-exports, `import('…')` and `import('…').Type`; a computed specifier cannot be checked and is let through. */
function readImports(file: SourceFile): { imports: Import[]; errors: Violation[] } {
  const { module, program, errors } = parseSync(file.path, file.text);
  const lineAt = (offset: number): number => file.text.slice(0, offset).split('\n').length;
  if (errors.length > 0) {
    const toViolation = ({ message, labels }: (typeof errors)[number]): Violation => {
      return { path: file.path, line: lineAt(labels[0]?.start ?? 0), message: `does not parse: ${message}` };
    };
    return { imports: [], errors: errors.map(toViolation) };
  }
  const imports: Import[] = [];

  for (const { moduleRequest, entries, start } of module.staticImports) {
    const typeOnly = entries.length > 0 && entries.every((entry) => entry.isType);
    imports.push({ specifier: moduleRequest.value, typeOnly, line: lineAt(start) });
  }
  for (const { entries, start } of module.staticExports) {
    const requested = new Map<string, boolean>();
    for (const { moduleRequest, isType } of entries) {
      if (moduleRequest === null) continue;
      requested.set(moduleRequest.value, isType && (requested.get(moduleRequest.value) ?? true));
    }
    for (const [specifier, typeOnly] of requested) imports.push({ specifier, typeOnly, line: lineAt(start) });
  }
  visit(program, (node) => {
    const typeOnly = node['type'] === 'TSImportType';
    if (!typeOnly && node['type'] !== 'ImportExpression') return;
    const { source, start } = node;
    if (isNode(source) && typeof source['value'] === 'string') {
      imports.push({ specifier: source['value'], typeOnly, line: lineAt(Number(start)) });
    }
  });

  return { imports, errors: [] };
}

function isNode(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function visit(value: unknown, see: (node: Record<string, unknown>) => void): void {
  if (!isNode(value)) return;
  see(value);
  for (const child of Object.values(value)) visit(child, see);
}

/** Reads the TypeScript files of src and examples. */
export function readRepository(root: URL): SourceFile[] {
  return ['src', 'examples'].flatMap((folder) => {
    const url = new URL(`${folder}/`, root);
    if (!existsSync(url)) return [];
    return readdirSync(url, { recursive: true, encoding: 'utf8' })
      .map((path) => path.replaceAll('\\', '/'))
      .filter((path) => path.endsWith('.ts'))
      .toSorted()
      .map((path) => ({ path: `${folder}/${path}`, text: readFileSync(new URL(path, url), 'utf8') }));
  });
}

export function readOptions(root: URL): CheckOptions {
  const manifest = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));
  const { name, dependencies = {}, optionalDependencies = {} } = manifest;
  return {
    packageName: name,
    dependencies: new Set([...Object.keys(dependencies), ...Object.keys(optionalDependencies)]),
  };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const root = new URL('../', import.meta.url);
  const files = readRepository(root);
  const violations = checkImports(files, readOptions(root));
  for (const { path, line, message } of violations) console.error(`${path}:${line}: ${message}`);
  console.log(`Imports: ${files.length} files checked, ${violations.length} violations`);
  if (violations.length > 0) process.exitCode = 1;
}
