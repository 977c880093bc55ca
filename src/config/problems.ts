/**
 * What can be wrong with a configuration, and how it is said: `thalamus.yaml:6:17: presence.idle_timeout: must be …`.
 */
import { ConfigError } from '../errors.ts';

export type ConfigPath = readonly (string | number)[];

/** A place in the file, both from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** An error or a warning about one place. */
export interface Problem {
  /** Empty when it concerns the file as a whole. */
  readonly path: ConfigPath;
  /** Null when the file could not be read, or was never a file. */
  readonly position: Position | null;
  /** What is wrong, and how it should look. */
  readonly message: string;
}

/** Everything that is wrong with one file, at once. `problems` is in the order of the file and never empty. */
export class ConfigFileError extends ConfigError {
  override name = 'ConfigFileError';
  readonly fileName: string;
  readonly problems: readonly Problem[];

  constructor(fileName: string, problems: readonly Problem[], options?: ErrorOptions) {
    const lines = problems.map((problem) => formatProblem(fileName, problem));
    super(lines.join('\n'), problems[0]?.path, options);
    this.fileName = fileName;
    this.problems = problems;
  }
}

/** `presence.idle_timeout: must be …`, where there is no file to name. */
export function describeProblem(error: Error, message = error.message): string {
  return error instanceof ConfigError && error.path.length > 0 ? `${formatPath(error.path)}: ${message}` : message;
}

/** `thalamus.yaml:6:17: presence.idle_timeout: must be …` */
export function formatProblem(fileName: string, { path, position, message }: Problem): string {
  const where = position === null ? fileName : `${fileName}:${position.line}:${position.column}`;
  return path.length === 0 ? `${where}: ${message}` : `${where}: ${formatPath(path)}: ${message}`;
}

/** `['modules', 1, 'config']` → `modules[1].config` */
export function formatPath(path: ConfigPath): string {
  let result = '';
  for (const part of path) {
    if (typeof part === 'number') result += `[${part}]`;
    else if (/^[\w-]+$/.test(part)) result += result === '' ? part : `.${part}`;
    else result += `[${JSON.stringify(part)}]`;
  }
  return result;
}

/** The same with `[]` for every entry of a list: the name of a key, wherever it stands. */
export function formatPattern(path: ConfigPath): string {
  return formatPath(path).replaceAll(/\[\d+\]/g, '[]');
}

export function byPosition(a: Problem, b: Problem): number {
  return (a.position?.line ?? 0) - (b.position?.line ?? 0) || (a.position?.column ?? 0) - (b.position?.column ?? 0);
}
