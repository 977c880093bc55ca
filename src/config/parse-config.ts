/**
 * Text of a configuration file → configuration and warnings, or everything that is wrong with it at once.
 */
import { dirname } from 'node:path';
import type { Environment } from './build-admin-api.ts';
import { buildConfig } from './build-config.ts';
import type { Config } from './config.ts';
import { crossCheck, type Finding } from './cross-checks.ts';
import { deepFreeze } from './deep-freeze.ts';
import { describeIssue } from './describe-issue.ts';
import { prepareValues } from './prepare-values.ts';
import { byPosition, type ConfigPath, ConfigFileError, type Position, type Problem } from './problems.ts';
import { readYaml, type YamlFile } from './read-yaml.ts';
import { configSchema, LATER_GROUPS } from './schema/index.ts';

export interface LoadedConfig {
  readonly config: Config;
  /** As the user named the file: for messages. */
  readonly fileName: string;
  readonly warnings: readonly Problem[];
  /** Where the value at `path` stands, for problems that are found later (by a module's `parseConfig`). */
  locate(path: ConfigPath): Position;
}

export interface ParseOptions {
  /** Absolute path of the file; other paths are relative to its folder. */
  readonly file: string;
  /** For messages. */
  readonly fileName: string;
  /** Reads the files that the configuration names (secrets, TLS). */
  readonly readText: (path: string) => string;
  /** Variables that take the place of keys. @default none */
  readonly environment?: Environment;
}

/** @throws ConfigFileError with every problem, in the order of the file */
export function parseConfig(text: string, { file, fileName, readText, environment = {} }: ParseOptions): LoadedConfig {
  const yaml = readYaml(text);
  if (!yaml.readable) throw new ConfigFileError(fileName, yaml.problems);

  const { values, warnings: ignored } = prepareValues(yaml);
  const refused = refuse(values, yaml);
  const found = crossCheck(values);
  const parsed = configSchema.safeParse(values);
  const problems: Problem[] = [...yaml.problems, ...found.errors.map((finding) => place(finding, yaml)), ...refused];
  const warnings = [
    ...ignored,
    ...found.warnings.map((finding) => place(finding, yaml)),
    ...warnOfLaterModes(values, yaml),
  ];

  if (!parsed.success) {
    problems.push(...parsed.error.issues.flatMap((issue) => describeIssue(issue, values, yaml)));
    throw new ConfigFileError(fileName, problems.toSorted(byPosition));
  }
  const built = buildConfig(parsed.data, { file, dir: dirname(file), readText, environment });
  problems.push(...built.errors.map((finding) => place(finding, yaml)));
  if (problems.length > 0) throw new ConfigFileError(fileName, problems.toSorted(byPosition));

  warnings.push(...built.warnings.map((finding) => place(finding, yaml)));
  return deepFreeze({
    config: built.config,
    fileName,
    warnings: warnings.toSorted(byPosition),
    locate: (path: ConfigPath) => yaml.locateValue(path),
  });
}

function place([path, message]: Finding, yaml: YamlFile): Problem {
  return { path, position: yaml.locateValue(path), message };
}

/** Several databases would hold data that this version would not see: better no start than an empty server. */
function refuse(values: Record<string, unknown>, yaml: YamlFile): Problem[] {
  if (values['databases'] === undefined) return [];
  delete values['databases'];
  const message = 'several databases are not in this version; use database';
  return [{ path: ['databases'], position: yaml.locateKey(['databases']), message }];
}

function warnOfLaterModes(values: Readonly<Record<string, unknown>>, yaml: YamlFile): Problem[] {
  return LATER_GROUPS.flatMap(({ name, keys }) => {
    const used = keys.filter((key) => Object.hasOwn(values, key));
    const [first] = used;
    if (first === undefined) return [];
    const message = `keys for ${name} have no effect in this version (${used.join(', ')})`;
    return [{ path: [first], position: yaml.locateKey([first]), message }];
  });
}
