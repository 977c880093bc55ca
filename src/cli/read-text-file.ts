/**
 * Reads a file that the command line names. What is wrong with it is said in a line.
 */
import { readFileSync } from 'node:fs';
import { ConfigError } from '../errors.ts';

const WHY: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EISDIR: 'this is a folder, not a file',
  EACCES: 'this user may not read the file',
  EPERM: 'this user may not read the file',
};

/**
 * @param name - as the user wrote it
 * @throws ConfigError
 */
export function readTextFile(path: string, name: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    const why = WHY[code] ?? `the file cannot be read: ${error instanceof Error ? error.message : String(error)}`;
    throw new ConfigError(`${name}: ${why}`, [], { cause: error });
  }
}
