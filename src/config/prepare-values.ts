/**
 * Takes out of the raw values what the schema need not know: empty keys, keys of the reference server without a meaning here, and the
 * arguments of databases that are not in this version. Each thing taken out that an administrator should know of is a warning.
 */
import { editDistance } from './nearest-key.ts';
import { type ConfigPath, formatPattern, type Problem } from './problems.ts';
import { REFERENCE_KEY_HINTS, REFERENCE_KEYS } from './reference-keys.ts';
import type { YamlFile } from './read-yaml.ts';

/** What a module's `config` holds is the module's business: nothing in it is looked at. */
const OPAQUE = new Set(['modules[].config', 'presence.presence_router.config']);

export interface Prepared {
  readonly values: Record<string, unknown>;
  readonly warnings: readonly Problem[];
}

export function prepareValues(file: YamlFile): Prepared {
  const warnings: Problem[] = [];
  const warned = new Set<string>();
  const ignored = (path: ConfigPath, pattern: string): void => {
    if (warned.has(pattern)) return;
    warned.add(pattern);
    const hint = REFERENCE_KEY_HINTS[pattern];
    const message = `this key of the reference server has no meaning here and is ignored${hint === undefined ? '' : `; ${hint}`}`;
    warnings.push({ path, position: file.locateKey(path), message });
  };

  const copy = (value: unknown, path: ConfigPath): unknown => {
    if (Array.isArray(value)) return value.map((item, index) => copy(item, [...path, index]));
    if (!isMapping(value)) return value;
    const result: [string, unknown][] = [];
    for (const [key, child] of Object.entries(value)) {
      const childPath = [...path, key];
      const pattern = formatPattern(childPath);
      if (REFERENCE_KEYS.has(pattern) || isExperiment(pattern)) ignored(childPath, pattern);
      else if (child !== null) result.push([key, OPAQUE.has(pattern) ? child : copy(child, childPath)]);
    }
    return Object.fromEntries(result);
  };

  const values = copy(file.value, []) as Record<string, unknown>;
  const database = values['database'];
  if (isMapping(database) && (database['name'] === 'postgres' || database['name'] === 'psycopg2')) {
    delete database['args'];
  }
  return { values, warnings };
}

/** The reference server has dozens of experiments, which its manual does not list; all are named after their proposal. */
function isExperiment(pattern: string): boolean {
  const [, name] = /^experimental_features\.(msc\d+\w*)$/.exec(pattern) ?? [];
  return name !== undefined && editDistance(name, 'msc3026_enabled') > 2;
}

export function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
