import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ConfigError } from '../../errors.ts';
import { loadOrCreateSigningKey, parseSigningKeys } from './signing-key-file.ts';

const SEED = 'YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1';
const folder = mkdtempSync(join(tmpdir(), 'thalamus-keys-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function ids(text: string): string[] {
  return parseSigningKeys(text, 'x').map((key) => key.keyId);
}

function failure(work: () => unknown): ConfigError {
  try {
    work();
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

describe('parseSigningKeys', () => {
  it('reads the file of another homeserver, and has its key', () => {
    const [key] = parseSigningKeys(`ed25519 a_RXGa ${SEED}\n`, 'x');
    expect(key?.keyId).toBe('ed25519:a_RXGa');
    // The empty object of the specification's test vectors.
    expect(key?.sign('{}')).toBe(
      'K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ',
    );
  });

  it('reads several lines in their order, with whatever spaces, line ends, padding and remarks', () => {
    const urlSafe = SEED.replaceAll('+', '-');
    expect(ids(`\uFEFF# ours\r\n\r\n  ed25519\ta  ${SEED}=\r\ned25519 b_2 ${urlSafe}`)).toEqual([
      'ed25519:a',
      'ed25519:b_2',
    ]);
  });

  it('reads the file of a Dendrite, with one key or more', () => {
    const pem = (id: string) =>
      `-----BEGIN MATRIX PRIVATE KEY-----\nKey-ID: ${id}\n\n${SEED}=\n-----END MATRIX PRIVATE KEY-----\n`;
    const [key] = parseSigningKeys(pem('ed25519:c8NsuQ'), 'x');
    expect(key?.keyId).toBe('ed25519:c8NsuQ');
    expect(key?.publicKey).toBe(parseSigningKeys(`ed25519 a ${SEED}`, 'x')[0]?.publicKey);
    expect(ids(`${pem('ed25519:one')}${pem('ed25519:two').replaceAll('\n', '\r\n')}ed25519 three ${SEED}`)).toEqual([
      'ed25519:one',
      'ed25519:two',
      'ed25519:three',
    ]);
    expect(failure(() => parseSigningKeys(`${pem('ed25519:one')}nonsense`, 'x')).message).toContain('line 6');
    expect(failure(() => parseSigningKeys(pem('rsa:one'), 'x')).message).toContain('line 1');
  });

  it.each([
    ['ed25519 a', 'line 1: a line is'],
    [`ed25519 a ${SEED} more`, 'line 1: a line is'],
    [`\n# x\ncurve25519 a ${SEED}`, 'line 3: the algorithm'],
    [`ed25519 a:b ${SEED}`, 'line 1: the version'],
    ['ed25519 a not!base64', 'line 1: the seed is not base64'],
    ['ed25519 a c2hvcnQ', 'line 1: the seed has 5 bytes, not 32'],
    [`ed25519 a ${SEED}\ned25519 a ${SEED}`, 'line 2: ed25519:a is there twice'],
    ['', 'no key'],
    ['# nothing\n', 'no key'],
    ['-----BEGIN PRIVATE KEY-----\nMC4CAQ\n', 'line 1'],
  ])('refuses %j with the file, the line and what is wrong', (text, words) => {
    const { message, path } = failure(() => parseSigningKeys(text, '/etc/my.signing.key'));
    expect(message).toContain('/etc/my.signing.key');
    expect(message).toContain(words);
    expect(path).toEqual(['signing_key_path']);
    expect(message).not.toContain('base64!');
    expect(message).not.toContain(SEED);
  });
});

describe('loadOrCreateSigningKey', () => {
  it('makes a file that only this user can read, with its folder, and reads the same key ever after', () => {
    const path = join(folder, 'new', 'deep', 'signing.key');
    const [key, ...rest] = loadOrCreateSigningKey(path);
    expect(rest).toEqual([]);
    expect(key?.keyId).toMatch(/^ed25519:a_[a-zA-Z]{4}$/);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readFileSync(path, 'utf8')).toMatch(/^ed25519 a_[a-zA-Z]{4} [A-Za-z0-9+/]{43}\n$/);
    expect(readdirSync(join(folder, 'new', 'deep'))).toEqual(['signing.key']);
    expect(loadOrCreateSigningKey(path)[0]?.publicKey).toBe(key?.publicKey);
  });

  it('makes another key for another file', () => {
    const one = loadOrCreateSigningKey(join(folder, 'one.key'))[0];
    const two = loadOrCreateSigningKey(join(folder, 'two.key'))[0];
    expect(one?.publicKey).not.toBe(two?.publicKey);
  });

  it('never writes to a file that is there, also an empty or a wrong one', () => {
    for (const text of ['', 'nonsense', `ed25519 a ${SEED}`]) {
      const path = join(folder, 'existing.key');
      writeFileSync(path, text);
      const { mtimeNs } = statSync(path, { bigint: true });
      try {
        loadOrCreateSigningKey(path);
      } catch (error) {
        expect(error).toBeInstanceOf(ConfigError);
      }
      expect(readFileSync(path, 'utf8')).toBe(text);
      expect(statSync(path, { bigint: true }).mtimeNs).toBe(mtimeNs);
    }
  });

  it('says which file cannot be used, and why', () => {
    expect(failure(() => loadOrCreateSigningKey(folder)).message).toContain(folder);
    const file = join(folder, 'file');
    writeFileSync(file, 'x');
    expect(failure(() => loadOrCreateSigningKey(join(file, 'signing.key'))).message).toContain(
      join(file, 'signing.key'),
    );
    const big = join(folder, 'big');
    writeFileSync(big, `ed25519 a ${SEED}\n`.repeat(2_000));
    expect(failure(() => loadOrCreateSigningKey(big)).message).toContain('too many');
  });

  it.skipIf(process.getuid?.() === 0)('leaves nothing behind where it may not write', () => {
    const closed = mkdtempSync(join(folder, 'closed-'));
    chmodSync(closed, 0o500);
    expect(failure(() => loadOrCreateSigningKey(join(closed, 'signing.key'))).message).toContain('signing.key');
    expect(readdirSync(closed)).toEqual([]);
    expect(existsSync(join(closed, 'signing.key'))).toBe(false);
    chmodSync(closed, 0o700);
  });
});
