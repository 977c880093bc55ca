import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runProgram } from '../support/spawn-server.ts';

let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'thalamus-cli-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

function write(name: string, text: string): string {
  writeFileSync(join(dir, name), text);
  return name;
}
const run = (...args: string[]) => runProgram(args, { cwd: dir });

describe('thalamus', () => {
  it('shows its version, and the commands that work', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    expect(await run('--version')).toMatchObject({ exitCode: 0, stdout: `${version}\n` });
    const { stdout, exitCode } = await run('--help');
    expect(exitCode).toBe(0);
    const commands = [...stdout.matchAll(/^ {2}([a-z-]+) /gm)].map(([, name]) => name);
    expect(commands).toEqual(['start', 'generate-config', 'check-config', 'register-user', 'explain', 'module']);
    for (const command of commands) {
      expect(await run(command ?? '', '--help')).toMatchObject({ exitCode: 0, stderr: '' });
    }
  });

  it('says what is wrong with the command line: exit code 2', async () => {
    const unknown = await run('strat');
    expect(unknown).toMatchObject({ exitCode: 2, stdout: '' });
    expect(unknown.stderr).toContain("unknown command 'strat'\n(Did you mean start?)");
    expect(await run('start', '--colour')).toMatchObject({ exitCode: 2 });
    expect((await run('generate-config')).stderr).toContain("required option '--server-name <name>' not specified");
    expect((await run()).exitCode).toBe(2);
  });
});

describe('thalamus check-config', () => {
  it('shows all problems with path and line: exit code 2', async () => {
    const file = write('wrong.yaml', 'server_name: a b\nmodules: [{module: 3}]\nlog:\n  levle: info\n');
    expect(await run('check-config', '-c', file)).toEqual({
      exitCode: 2,
      signal: null,
      stdout: '',
      stderr: [
        'wrong.yaml:1:14: server_name: must be a server name, such as "example.org": the part of user ids after the colon, not "a b"',
        'wrong.yaml:2:20: modules[0].module: must be a text such as "./my-router.ts", "./my-router.ts#ExportName" or "package#ExportName", not 3',
        'wrong.yaml:4:3: log.levle: unknown key; the nearest known key is "level"',
        '3 problems',
        '',
      ].join('\n'),
    });
  });

  it('shows warnings of a configuration that is right: exit code 0', async () => {
    const file = write('right.yaml', 'server_name: a.org\nreport_stats: no\n');
    expect(await run('check-config', '-c', file)).toMatchObject({
      exitCode: 0,
      stdout: 'right.yaml is right\n',
      stderr:
        'warning: right.yaml:2:1: report_stats: this key of the reference server has no meaning here and is ignored\n',
    });
  });

  it("finds what a module's parseConfig refuses, with its place in the file: exit code 2", async () => {
    write(
      'picky.ts',
      'export class Picky { static parseConfig(c: any) { if (c.n !== 1) throw new TypeError("n must be 1"); return c; } }',
    );
    const file = write('picky.yaml', 'server_name: a.org\nmodules:\n  - module: ./picky.ts\n    config:\n      n: 2\n');
    const result = await run('check-config', '-c', file);
    expect(result).toMatchObject({ exitCode: 2, stdout: '' });
    expect(result.stderr).toMatch(/^picky\.yaml:\d+:\d+: modules\[0\]\.config: .*n must be 1/);
  });

  it('finds what is wrong with the files that a start reads, and makes none', async () => {
    const listener = '{port: 8448, tls: true, resources: [{names: [federation]}]}';
    const paths = 'tls_certificate_path: c.pem\ntls_private_key_path: k.pem\nsigning_key_path: signing.key';
    const file = write(
      'files.yaml',
      `server_name: a.org\nlisteners: [${listener}]\n${paths}\nmodules: [{module: ./no.ts}]\n`,
    );
    write('c.pem', 'no certificate');
    write('k.pem', 'no key');
    write('signing.key', 'ed25519 a no_seed');
    const result = await run('check-config', '-c', file);
    expect(result).toMatchObject({ exitCode: 2, stdout: '' });
    expect(result.stderr.split('\n')).toEqual([
      expect.stringMatching(
        /^files\.yaml:3:23: tls_certificate_path: .* are not a certificate and its key in PEM form/,
      ),
      expect.stringMatching(/^files\.yaml:5:19: signing_key_path: .*signing\.key, line 1: the seed /),
      expect.stringContaining('no.ts'),
      '3 problems',
      '',
    ]);
    rmSync(join(dir, 'signing.key'));
    expect((await run('check-config', '-c', file)).stderr).not.toContain('signing_key_path');
    expect(existsSync(join(dir, 'signing.key'))).toBe(false);
  });

  it('finds a module that would not load: exit code 3', async () => {
    const file = write('gone.yaml', 'server_name: a.org\nmodules: [{module: ./gone.ts}]\n');
    const result = await run('check-config', '-c', file);
    expect(result.exitCode).toBe(3);
    expect(result.stderr).toContain(`modules[0] (./gone.ts)`);
    expect(result.stderr).toContain(join(dir, 'gone.ts'));
  });

  it('looks at thalamus.yaml without -c, and says that there is none', async () => {
    const result = await run('check-config');
    expect(result).toMatchObject({ exitCode: 2 });
    expect(result.stderr).toContain('thalamus.yaml: there is no such file');
  });
});

describe('thalamus generate-config', () => {
  it('writes a configuration that passes check-config without a warning, with a comment on every line', async () => {
    expect(await run('generate-config', '--server-name', 'example.org', '-o', 'new.yaml')).toMatchObject({
      exitCode: 0,
      stdout: 'new.yaml is written. Read it, then run: thalamus start -c new.yaml\n',
    });
    expect(statSync(join(dir, 'new.yaml')).mode & 0o777).toBe(0o600);
    const text = readFileSync(join(dir, 'new.yaml'), 'utf8');
    for (const line of text.trimEnd().split('\n')) expect(line).toMatch(/(^|\s)# \S.*\S$/);
    expect(text).toContain('server_name: example.org');
    expect(text).toMatch(/registration_shared_secret: [\w-]{43} /);
    expect(await run('check-config', '-c', 'new.yaml')).toMatchObject({ exitCode: 0, stderr: '' });
  });

  it('writes to the standard output, with another secret each time', async () => {
    const [first, second] = [
      await run('generate-config', '--server-name', 'a.org'),
      await run('generate-config', '--server-name', 'a.org'),
    ];
    expect(first.stdout).toContain('server_name: a.org');
    expect(first.stdout).not.toBe(second.stdout);
  });

  it('does not replace a file unless told to', async () => {
    write('there.yaml', 'x');
    expect(await run('generate-config', '--server-name', 'a.org', '-o', 'there.yaml')).toMatchObject({
      exitCode: 1,
      stderr: 'there.yaml exists; --force replaces it\n',
    });
    expect(await run('generate-config', '--server-name', 'a.org', '-o', 'there.yaml', '--force')).toMatchObject({
      exitCode: 0,
    });
    expect((await run('generate-config', '--server-name', 'a.org', '-o', 'no/such/x.yaml')).stderr).toContain(
      'cannot be written',
    );
    expect(await run('generate-config', '--server-name', 'a b')).toMatchObject({ exitCode: 2, stdout: '' });
  });
});
