/**
 * Reads the shape of the `modules` list: which file or package, which export, and what it is called in logs.
 */
import { ConfigError } from '../errors.ts';
import { type CallbackLimits, parseCallbackLimits } from './callback-limits.ts';
import { show } from './describe-value.ts';

export interface ModuleEntry {
  /** Place in the list, from zero. */
  readonly index: number;
  /** As written: `./my-router.ts#Router`. */
  readonly module: string;
  /** What comes before `#`: a path relative to the configuration file, or a package. */
  readonly specifier: string;
  /** What comes after `#`; null to take the default or only export. */
  readonly exportName: string | null;
  /** `name`, or else the place in the list: the label of its logs and metrics. */
  readonly name: string;
  /** The mapping as written; `{}` if there is none. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly limits: CallbackLimits;
}

const KEYS = ['module', 'config', 'name', 'module_callbacks'];
const EXAMPLE = '{ module: "./my-router.ts#MyRouter", config: { … } }';

/**
 * Reads every entry; problems of different entries are all found.
 *
 * @param value - what the configuration has under `modules`; undefined and null mean none
 */
export function parseModuleEntries(
  value: unknown,
  defaults: CallbackLimits,
): { entries: ModuleEntry[]; problems: ConfigError[] } {
  if (value === undefined || value === null) return { entries: [], problems: [] };
  if (!Array.isArray(value)) {
    return { entries: [], problems: [new ConfigError(`must be a list of entries such as ${EXAMPLE}`, ['modules'])] };
  }
  const entries: ModuleEntry[] = [];
  const problems: ConfigError[] = [];
  const names = new Map<string, number>();
  for (const [index, item] of value.entries()) {
    try {
      const entry = parseEntry(item, index, defaults);
      const other = names.get(entry.name);
      if (other !== undefined) {
        const message = `${show(entry.name)} is already the name of modules[${other}]; give each entry its own`;
        throw new ConfigError(message, ['modules', index, 'name']);
      }
      names.set(entry.name, index);
      entries.push(entry);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      problems.push(error);
    }
  }
  return { entries, problems };
}

function parseEntry(item: unknown, index: number, defaults: CallbackLimits): ModuleEntry {
  const path = ['modules', index] as const;
  if (!isMapping(item)) throw new ConfigError(`must be a mapping such as ${EXAMPLE}, not ${show(item)}`, path);
  const unknown = Object.keys(item).find((key) => !KEYS.includes(key));
  if (unknown !== undefined) {
    throw new ConfigError(`is not a key of an entry, which are ${KEYS.join(', ')}`, [...path, unknown]);
  }
  const { module, config = {}, name = null } = item;
  if (typeof module !== 'string' || module === '') {
    const found = module === undefined ? 'is missing' : `must be a string, not ${show(module)}`;
    throw new ConfigError(`${found}; it looks like "./my-router.ts" or "my-package#MyRouter"`, [...path, 'module']);
  }
  const hash = module.lastIndexOf('#');
  const specifier = hash < 0 ? module : module.slice(0, hash);
  const exportName = hash < 0 ? null : module.slice(hash + 1);
  if (specifier === '' || exportName === '') {
    const message = `${show(module)} has nothing ${specifier === '' ? 'before' : 'after'} the "#"`;
    throw new ConfigError(`${message}; it looks like "./my-router.ts#MyRouter"`, [...path, 'module']);
  }
  if (config !== null && !isMapping(config)) {
    throw new ConfigError(`must be a mapping, not ${show(config)}`, [...path, 'config']);
  }
  if (name !== null && (typeof name !== 'string' || !/^[\w.:/@-]{1,100}$/.test(name))) {
    const message = `must be a word of at most 100 letters, digits and _ . : / @ -, not ${show(name)}`;
    throw new ConfigError(message, [...path, 'name']);
  }
  return {
    index,
    module,
    specifier,
    exportName,
    name: name ?? String(index),
    config: config ?? {},
    limits: parseCallbackLimits(item['module_callbacks'], defaults, [...path, 'module_callbacks']),
  };
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
