/**
 * A schema's complaint → problems in the words of an administrator: what is wrong, what stands there, how it should look.
 */
import type { z } from 'zod';
import { type JsonSchema, schemaAt as configSchemaAt } from './json-schema.ts';
import { nearestKey } from './nearest-key.ts';
import { type ConfigPath, formatPattern, type Problem } from './problems.ts';
import { isMapping } from './prepare-values.ts';
import { REFERENCE_KEYS } from './reference-keys.ts';
import type { YamlFile } from './read-yaml.ts';

const MOST_KEYS_LISTED = 12;
const LONGEST_VALUE = 60;
const SECRET = /secret|password|^key$/;

/** The schema of what stands at a path, to know which keys there are; null where nothing is said. */
export type SchemaAt = (path: ConfigPath) => JsonSchema | null;

/** @param schemaAt - of another kind of file than the configuration */
export function describeIssue(
  issue: z.core.$ZodIssue,
  values: unknown,
  file: YamlFile,
  schemaAt: SchemaAt = configSchemaAt,
): Problem[] {
  const path = issue.path.filter((part) => typeof part !== 'symbol');
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey([...path, key], file, schemaAt));
  const value = valueAt(values, path);
  if (value === undefined) {
    return [{ path, position: file.locateKey(path), message: `is missing; it ${issue.message}` }];
  }
  const shown = show(value, path);
  return [
    { path, position: file.locateValue(path), message: `${issue.message}${shown === null ? '' : `, not ${shown}`}` },
  ];
}

function unknownKey(path: ConfigPath, file: YamlFile, schemaAt: SchemaAt): Problem {
  const key = String(path.at(-1));
  const known = Object.keys(schemaAt(path.slice(0, -1))?.properties ?? {});
  const ofReference = schemaAt === configSchemaAt ? referenceKeysBelow(path.slice(0, -1)) : [];
  const nearest = nearestKey(key, [...known, ...ofReference]);
  let advice = '';
  if (nearest !== null) advice = `; the nearest known key is "${nearest}"`;
  else if (known.length <= MOST_KEYS_LISTED) advice = `; known keys here: ${known.join(', ')}`;
  return { path, position: file.locateKey(path), message: `unknown key${advice}` };
}

function referenceKeysBelow(parent: ConfigPath): string[] {
  const prefix = parent.length === 0 ? '' : `${formatPattern(parent)}.`;
  return [...REFERENCE_KEYS]
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length))
    .filter((name) => !name.includes('.') && !name.includes('['));
}

function show(value: unknown, path: ConfigPath): string | null {
  if (path.some((part) => typeof part === 'string' && SECRET.test(part))) return null;
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (isMapping(value)) return 'a section';
  const text = JSON.stringify(value) ?? String(value);
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}…` : text;
}

function valueAt(values: unknown, path: ConfigPath): unknown {
  let value = values;
  for (const part of path) {
    if (Array.isArray(value) && typeof part === 'number') value = value[part];
    else if (isMapping(value) && typeof part === 'string' && Object.hasOwn(value, part)) value = value[part];
    else return undefined;
  }
  return value;
}
