import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from './load-config.ts';

describe('loadConfig', () => {
  let dir = '';
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'thalamus-config-'));
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  const write = (name: string, content: string | Uint8Array): string => {
    const path = join(dir, name);
    writeFileSync(path, content);
    return path;
  };

  it('reads a file with a byte order mark, and knows its folder', () => {
    const path = write('bom.yaml', `\uFEFFserver_name: a.org\nregistration_shared_secret_path: secret.txt`);
    write('secret.txt', 'hush\n');
    expect(loadConfig(path).config).toMatchObject({
      serverName: 'a.org',
      dir,
      file: path,
      registration: { sharedSecret: 'hush' },
    });
  });

  it('says that there is no such file, and how to get one', () => {
    expect(() => loadConfig('nowhere/x.yaml')).toThrow(
      /^nowhere\/x\.yaml: there is no such file; "thalamus generate-config --server-name example\.org -o nowhere\/x\.yaml" writes one$/,
    );
  });

  it('says that it is a folder', () => {
    mkdirSync(join(dir, 'folder'));
    expect(() => loadConfig(join(dir, 'folder'))).toThrow('this is a folder; name the configuration file in it');
  });

  it('says that it is not text', () => {
    expect(() => loadConfig(write('binary.yaml', Uint8Array.of(0x73, 0xff, 0xfe)))).toThrow(
      'the file is not text in UTF-8',
    );
  });

  it('does not read what is far too large', () => {
    expect(() => loadConfig(write('large.yaml', new Uint8Array(10 * 1024 * 1024 + 1)))).toThrow('larger than 10 MB');
  });
});
