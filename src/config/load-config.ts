/**
 * Reads a configuration file from disk. Whatever is wrong with it is a `ConfigFileError` whose message an administrator can act on.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type LoadedConfig, parseConfig } from './parse-config.ts';
import { ConfigFileError } from './problems.ts';

const LARGEST_FILE = 10 * 1024 * 1024;

/**
 * @param fileName as the user wrote it: absolute, or relative to the working directory
 * @throws ConfigFileError
 */
export function loadConfig(fileName: string): LoadedConfig {
  const file = resolve(fileName);
  return parseConfig(readText(file, fileName), {
    file,
    fileName,
    readText: (path) => readFileSync(path, 'utf8'),
    // oxlint-disable-next-line node/no-process-env -- the one place that reads it, for secrets that are in no file
    environment: process.env,
  });
}

function readText(file: string, fileName: string): string {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw problem(fileName, explain(error, fileName), error);
  }
  if (bytes.length > LARGEST_FILE)
    throw problem(fileName, 'the file is larger than 10 MB; this cannot be a configuration');
  try {
    // Also takes a byte order mark away.
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw problem(fileName, 'the file is not text in UTF-8', error);
  }
}

function explain(error: unknown, fileName: string): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'ENOENT':
      return `there is no such file; "thalamus generate-config --server-name example.org -o ${fileName}" writes one`;
    case 'EISDIR':
      return 'this is a folder; name the configuration file in it';
    case 'EACCES':
    case 'EPERM':
      return 'this user may not read the file';
    default:
      return `the file cannot be read: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function problem(fileName: string, message: string, cause?: unknown): ConfigFileError {
  return new ConfigFileError(fileName, [{ path: [], position: null, message }], { cause });
}
