/**
 * First phase of modules, while the configuration is read: find each entry's file and export, and let it check its configuration.
 *
 * Nothing of a module runs beyond its top level and `parseConfig`; constructing comes later (construct-modules.ts).
 * All problems of all entries are found. Messages say which entry, which file, what is wrong, and how it should look.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { ConfigError } from '../errors.ts';
import type { ModuleDefinition } from '../module/module-kinds.ts';
import { kindOf, show, toPlainError } from './describe-value.ts';
import { ModuleLoadError } from './errors.ts';
import { describeEntry, type ModuleEntry, splitSpecifier } from './module-entry.ts';
import { type PreparedModule, prepareModule } from './prepare-module.ts';
import { createModuleImporter, type ModuleImporter, type ModuleImporterOptions } from './module-importer.ts';
import { whereThrown } from './where-thrown.ts';
import { within } from './within.ts';

export interface LoadModulesOptions extends ModuleImporterOptions {
  /** How long importing, and `parseConfig`, may take. @default 30 s */
  readonly timeoutMs?: number;
}

/** A module whose configuration is accepted. Each entry has its own, also when two name the same file. */
export interface LoadedModule extends Omit<ModuleEntry, 'config' | 'name'>, PreparedModule {
  /** The name given, or else the place in the list. */
  readonly name: string;
}

export interface LoadedModules {
  /** In configuration order. Use them only if there are no problems. */
  readonly modules: readonly LoadedModule[];
  /** `ConfigError`: exit code 2; `ModuleLoadError`: 3. If there are both, 2 is the better answer. */
  readonly problems: readonly (ConfigError | ModuleLoadError)[];
  /** Absolute paths of the files read, also of those with problems, and of those that are not there. Without packages. */
  readonly files: readonly string[];
}

const DEFAULT_TIMEOUT_MS = 30_000;

/**
 * @param entries - the configuration's `modules`, whose shape is right
 * @throws never for anything that a module does
 */
export async function loadModules(
  entries: readonly ModuleEntry[],
  options: LoadModulesOptions,
): Promise<LoadedModules> {
  const problems: (ConfigError | ModuleLoadError)[] = [];
  const modules: LoadedModule[] = [];
  if (entries.length === 0) return { modules, problems, files: [] };

  const importer = await createModuleImporter(options);
  for (const [index, entry] of entries.entries()) {
    try {
      const loaded = await loadModule(entry, importer, options);
      modules.push({ ...loaded, name: entry.name ?? String(index) });
    } catch (error) {
      if (!(error instanceof ConfigError || error instanceof ModuleLoadError)) throw error;
      problems.push(error);
    }
  }
  return { modules, problems, files: [...importer.files] };
}

async function loadModule(
  entry: ModuleEntry,
  importer: ModuleImporter,
  { configDir, timeoutMs = DEFAULT_TIMEOUT_MS }: LoadModulesOptions,
): Promise<Omit<LoadedModule, 'name'>> {
  const where = describeEntry(entry);
  const { specifier } = splitSpecifier(entry.module);
  const file = importer.resolve(specifier);
  if (file === null) throw new ModuleLoadError(entry.module, 'not_found', notFound(where, specifier, configDir));

  let exported: unknown;
  try {
    exported = await within(importer.import(file), timeoutMs, 'the import');
  } catch (thrown) {
    const cause = toPlainError(thrown);
    const message = `${where}: ${file} could not be imported: ${explainImport(cause, file)}`;
    throw new ModuleLoadError(entry.module, 'import_failed', message, { cause });
  }

  const definition = pickExport(exported, entry, where, file);
  return { ...entry, ...(await prepareModule(definition, entry, file, timeoutMs)) };
}

/** The loader's message on one line: what is wrong, where, and in which file if it is another one. */
function explainImport(cause: Error, file: string): string {
  const [text = '', stack = ''] = cause.message.split(/\n\s*Require stack:/);
  const [what = '', where = stack === '' ? (whereThrown(cause) ?? '') : ''] = text
    .split('\n')
    .flatMap((line) => line.trim() || []);
  const [, importer] = /^\s*- (.+)/.exec(stack) ?? [];
  return [
    what,
    where === '' ? '' : /:\d+$/.test(where) ? ` at ${where}` : `: ${where}`,
    importer === undefined || importer === file ? '' : `, imported by ${importer}`,
  ].join('');
}

function notFound(where: string, specifier: string, configDir: string): string {
  if (/^\.{0,2}\//.test(specifier)) {
    const hint = specifier.startsWith('/') ? '' : '; the path is relative to the configuration file';
    return `${where}: there is no file ${resolve(configDir, specifier)}${hint}`;
  }
  const hint = existsSync(resolve(configDir, specifier))
    ? `; for the file beside the configuration write "./${specifier}"`
    : /\.[cm]?[jt]s$/.test(specifier)
      ? `; a file begins with "./", and there is no file ${resolve(configDir, specifier)} either`
      : '';
  return `${where}: no package ${show(specifier)} is installed where ${configDir} would find it${hint}`;
}

function pickExport(exported: unknown, entry: ModuleEntry, where: string, file: string): ModuleDefinition {
  // `module.exports = class …` is the export itself.
  const names = new Map<string, unknown>(
    typeof exported === 'function' ? [['default', exported]] : Object.entries(exported ?? {}),
  );
  names.delete('__esModule');
  const list = names.size === 0 ? 'it exports nothing' : `it exports ${[...names.keys()].join(', ')}`;

  const { specifier, exportName } = splitSpecifier(entry.module);
  const pick = (): unknown => {
    if (exportName !== null) {
      if (names.has(exportName)) return names.get(exportName);
      const message = `${where}: ${file} has no export ${show(exportName)}; ${list}`;
      throw new ModuleLoadError(entry.module, 'export_missing', message);
    }
    if (names.get('default') !== undefined) return names.get('default');
    const [only, ...others] = [...names.values()].filter((value) => typeof value === 'function');
    if (only !== undefined && others.length === 0) return only;
    const advice =
      names.size === 0
        ? 'Export a class, as in "export default class MyRouter { … }"'
        : `Name one, as in "${specifier}#MyRouter"`;
    const message =
      `${where}: ${file} has no default export and ${only === undefined ? 'no' : 'more than one'} exported class or function; ` +
      `${list}. ${advice}`;
    throw new ModuleLoadError(entry.module, 'export_missing', message);
  };

  const picked = pick();
  if (typeof picked === 'function' || kindOf(picked) === 'a plain object') return picked as ModuleDefinition;
  const message =
    `${where}: the export of ${file} is ${kindOf(picked)}; ` +
    'a module is a class with (config, api), a function with (config, api), or a plain object with setup or callbacks';
  throw new ModuleLoadError(entry.module, 'not_a_module', message);
}
