/**
 * Where recorded traffic comes from: a file and the older ones beside it, or a running server. Line by line.
 */
import { createReadStream, existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { ConfigError } from '../../errors.ts';
import { findAdminApi, readAdmin } from '../admin-api.ts';

export interface TrafficSource {
  /** For people. */
  readonly name: string;
  /** Null if nobody knows. */
  readonly bytes: number | null;
  lines(signal: AbortSignal): AsyncIterable<string>;
  /** Bytes read so far. */
  readonly read: number;
}

export interface TrafficSourceOptions {
  readonly against: string;
  readonly tokenFile?: string;
  readonly configuration?: string;
}

/** Longer than any line that is written. */
const LONGEST_LINE = 64 * 1024 * 1024;
/** `<path>.1` and so on: no more than anybody keeps. */
const MOST_FILES = 100;

/** @throws ConfigError when there is no such file; AdminApiError without a token */
export function trafficSource({ against, tokenFile, configuration }: TrafficSourceOptions, cwd: string): TrafficSource {
  return /^https?:\/\//.test(against)
    ? fromServer(against, { tokenFile, configuration })
    : fromFiles(resolve(cwd, against), against);
}

function fromFiles(path: string, name: string): TrafficSource {
  const files: string[] = [];
  for (let index = MOST_FILES; index > 0; index--) if (existsSync(`${path}.${index}`)) files.push(`${path}.${index}`);
  if (existsSync(path)) files.push(path);
  if (files.length === 0) throw new ConfigError(`there is no ${name}: see record_traffic in the configuration`);
  if (existsSync(path) && !statSync(path).isFile()) throw new ConfigError(`${name}: this is no file`);
  const bytes = files.reduce((sum, file) => sum + statSync(file).size, 0);
  let read = 0;
  return {
    name,
    bytes,
    get read() {
      return read;
    },
    async *lines(signal) {
      for (const file of files) {
        const stream = createReadStream(file, { encoding: 'utf8', signal });
        yield* splitLines(stream as AsyncIterable<string>, (length) => (read += length));
      }
    },
  };
}

function fromServer(
  url: string,
  { tokenFile, configuration }: { readonly tokenFile: string | undefined; readonly configuration: string | undefined },
): TrafficSource {
  const api = findAdminApi({
    url,
    ...(tokenFile === undefined ? {} : { tokenFile }),
    ...(configuration === undefined ? {} : { config: configuration }),
  });
  let read = 0;
  return {
    name: url,
    bytes: null,
    get read() {
      return read;
    },
    lines: (signal) => splitLines(readAdmin(api, '/traffic', signal), (length) => (read += length)),
  };
}

async function* splitLines(texts: AsyncIterable<string>, count: (length: number) => void): AsyncIterable<string> {
  let rest = '';
  for await (const text of texts) {
    count(text.length);
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > LONGEST_LINE) throw new ConfigError('a line is too long: this is no record of traffic');
    yield* lines;
  }
  yield rest;
}
