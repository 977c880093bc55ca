/**
 * The file with this server's signing keys: `ed25519 <version> <seed in base64>`, a line each, the first is signed with.
 *
 * That is the format of the reference server; Dendrite's, a PEM block with the key's id, is read, too, so that existing files work as
 * they are. Empty lines and lines with # are skipped. Without a file one is made, for this user's eyes only: it is complete before it
 * has its name, and an existing file is never written to.
 */
import { randomBytes, randomInt } from 'node:crypto';
import {
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { ConfigError } from '../../errors.ts';
import { decodeBase64, encodeBase64 } from '../signing/base64.ts';
import { SEED_BYTES, type SigningKey, signingKeyOf } from '../signing/ed25519.ts';

export type { SigningKey } from '../signing/ed25519.ts';

const CONFIG_PATH = ['signing_key_path'] as const;
/** The specification allows letters, digits and _; keys that were made elsewhere may have more. */
const VERSION = /^[A-Za-z0-9_.-]{1,100}$/;
const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
const MAX_FILE_BYTES = 65_536;
/** Dendrite's, see its "Server Key Format". */
const PEM_BLOCK =
  /-----BEGIN MATRIX PRIVATE KEY-----\s+Key-ID:\s*ed25519:(\S+)\s+([A-Za-z0-9+/=\s]+)-----END MATRIX PRIVATE KEY-----/g;

/**
 * Reads the keys, or makes the file (and its folder) with a new one.
 *
 * @returns at least one; the first is the one to sign with, all are published
 * @throws ConfigError that names the file, and the line where there is one; never with a part of a seed
 */
export function loadOrCreateSigningKey(path: string): readonly SigningKey[] {
  return usable(path, () => {
    if (!existsSync(path)) createFile(path, `ed25519 a_${randomVersion()} ${encodeBase64(randomBytes(SEED_BYTES))}\n`);
    return read(path);
  });
}

/** Reads the keys of a file that is there; returns and throws as `loadOrCreateSigningKey`. */
export function readSigningKeys(path: string): readonly SigningKey[] {
  return usable(path, () => read(path));
}

function read(path: string): readonly SigningKey[] {
  const { size } = statSync(path);
  if (size > MAX_FILE_BYTES) throw problem(path, null, `${size} bytes are too many for a file of keys`);
  return parseSigningKeys(readFileSync(path, 'utf8'), path);
}

function usable<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`the signing key file ${path} cannot be used: ${reason}`, CONFIG_PATH, { cause: error });
  }
}

/** Parses the text of a file; `path` is for the messages. @throws ConfigError */
export function parseSigningKeys(text: string, path: string): readonly SigningKey[] {
  const keys = new Map<string, SigningKey>();
  for (const [index, line] of toLines(text).entries()) {
    const words = line.trim().split(/\s+/);
    if (words[0] === '' || words[0]?.startsWith('#') === true) continue;
    const key = parseLine(words, path, index + 1);
    if (keys.has(key.keyId)) throw problem(path, index + 1, `${key.keyId} is there twice`);
    keys.set(key.keyId, key);
  }
  if (keys.size === 0) throw problem(path, null, 'it has no key; remove the file to have a new one made');
  return [...keys.values()];
}

/** A block becomes a line at its place, followed by empty ones, so that lines keep their numbers. */
function toLines(text: string): readonly string[] {
  const unwrapped = text.replace(PEM_BLOCK, (block: string, version: string, base64: string) => {
    return `ed25519 ${version} ${base64.replace(/\s/g, '')}${'\n'.repeat(block.split('\n').length - 1)}`;
  });
  return unwrapped.replace(/^\uFEFF/, '').split('\n');
}

function parseLine(
  [algorithm = '', version = '', base64 = '', ...rest]: string[],
  path: string,
  line: number,
): SigningKey {
  if (base64 === '' || rest.length > 0) throw problem(path, line, 'a line is "ed25519 <version> <seed in base64>"');
  if (algorithm !== 'ed25519') throw problem(path, line, 'the algorithm must be ed25519');
  if (!VERSION.test(version)) throw problem(path, line, 'the version must be letters, digits and _');
  const seed = decodeBase64(base64);
  if (seed === null) throw problem(path, line, 'the seed is not base64');
  if (seed.length !== SEED_BYTES) throw problem(path, line, `the seed has ${seed.length} bytes, not ${SEED_BYTES}`);
  return signingKeyOf(version, seed);
}

function problem(path: string, line: number | null, what: string): ConfigError {
  const where = line === null ? path : `${path}, line ${line}`;
  return new ConfigError(`the signing key file ${where}: ${what}`, CONFIG_PATH);
}

/** Writes a file of another name first and then gives it the name, which fails if somebody else was faster. */
function createFile(path: string, text: string): void {
  makeFolders(dirname(path));
  const draft = `${path}.${process.pid}.${randomVersion()}.new`;
  const file = openSync(draft, 'wx', 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  try {
    linkSync(draft, path);
  } catch {
    // Either it is there by now, or this is a file system without links: copying is exclusive, too, if not at one blow.
    if (!existsSync(path)) copyFileSync(draft, path, constants.COPYFILE_EXCL);
  } finally {
    unlinkSync(draft);
  }
}

/** One level at a time: Node's own `recursive` never returns where the system says that a folder's parent is missing for ever. */
function makeFolders(folder: string): void {
  if (existsSync(folder)) return;
  makeFolders(dirname(folder));
  mkdirSync(folder);
}

function randomVersion(): string {
  return Array.from({ length: 4 }, () => LETTERS[randomInt(LETTERS.length)]).join('');
}
