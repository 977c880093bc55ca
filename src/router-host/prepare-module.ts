/**
 * What is left of the first phase once a module's export is there: is it for this server, and what does it make of its configuration.
 */
import { ConfigError } from '../errors.ts';
import { MODULE_API_VERSION } from '../module/module-api.ts';
import type { ModuleDefinition } from '../module/module-kinds.ts';
import { deepFreeze } from './deep-freeze.ts';
import { show, toPlainError } from './describe-value.ts';
import { ModuleLoadError } from './errors.ts';
import { describeEntry, type ModuleEntry } from './module-entry.ts';
import { within } from './within.ts';

export interface PreparedModule {
  /** Where it was found. */
  readonly file: string;
  readonly definition: ModuleDefinition;
  /** What `parseConfig` returned, or the mapping itself; frozen. */
  readonly config: unknown;
}

/** @throws ModuleLoadError for another version of the API; ConfigError for whatever `parseConfig` throws */
export async function prepareModule(
  definition: ModuleDefinition,
  entry: ModuleEntry,
  file: string,
  timeoutMs: number,
): Promise<PreparedModule> {
  checkApiVersion(definition, entry, file);
  return { file, definition, config: await parseConfig(definition, entry, timeoutMs) };
}

function checkApiVersion({ apiVersion }: ModuleDefinition, entry: ModuleEntry, file: string): void {
  if (apiVersion === undefined || apiVersion === MODULE_API_VERSION) return;
  const message =
    `${describeEntry(entry)}: ${file} is written for version ${show(apiVersion)} of the module API; ` +
    `this server has version ${MODULE_API_VERSION}`;
  throw new ModuleLoadError(entry.module, 'api_version', message);
}

async function parseConfig(definition: ModuleDefinition, entry: ModuleEntry, timeoutMs: number): Promise<unknown> {
  // A copy: what one module does to its configuration is nobody else's business.
  const raw = deepFreeze(structuredClone(entry.config));
  if (definition.parseConfig === undefined) return raw;
  try {
    return deepFreeze(await within(definition.parseConfig(raw), timeoutMs, 'parseConfig'));
  } catch (thrown) {
    const cause = toPlainError(thrown);
    const [at, message] = pathAndMessage(thrown);
    throw new ConfigError(message ?? cause.message, [...entry.path, 'config', ...at], { cause });
  }
}

/** Where inside `config` the problem is: a ConfigError says so, and so do the errors of schema libraries, by their first issue. */
function pathAndMessage(thrown: unknown): [path: (string | number)[], message?: string] {
  const read = (value: unknown): (string | number)[] =>
    Array.isArray(value) ? value.filter((step) => typeof step === 'string' || typeof step === 'number') : [];
  try {
    if (typeof thrown !== 'object' || thrown === null) return [[]];
    if ('path' in thrown) return [read(thrown.path)];
    const issues: unknown = 'issues' in thrown ? thrown.issues : undefined;
    const issue: unknown = Array.isArray(issues) ? issues[0] : undefined;
    if (typeof issue !== 'object' || issue === null || !('path' in issue)) return [[]];
    const message = 'message' in issue && typeof issue.message === 'string' ? issue.message : undefined;
    return message === undefined ? [read(issue.path)] : [read(issue.path), message];
  } catch {
    return [[]];
  }
}
