/**
 * The first start in an empty folder: the configuration it writes, and the lines it says to try.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nextSteps, writeFirstConfig } from '../../src/cli/first-run.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { runProgram, startProgram } from '../support/spawn-server.ts';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'thalamus-first-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

describe('thalamus start in an empty folder', () => {
  it('writes what a first look needs: this machine only, open registration, wide limits, the example', () => {
    const file = join(dir, 'thalamus.yaml');
    writeFirstConfig(file);
    const { config, warnings } = loadConfig(file);
    expect(warnings).toEqual([]);
    expect(config).toMatchObject({
      serverName: 'localhost',
      listeners: [{ port: 8008, bindAddresses: ['127.0.0.1'], resources: ['admin', 'client', 'health', 'metrics'] }],
      adminApi: { token: null, tokenPath: join(dir, 'admin.token') },
      database: { path: join(dir, 'data/thalamus.db') },
      registration: { enabled: true },
      rateLimits: { presencePerUser: { perSecond: 10, burstCount: 50 } },
    });
    const [example] = config.modules;
    expect(existsSync(resolve(dirname(file), example?.module ?? ''))).toBe(true);
    for (const line of readFileSync(file, 'utf8').trimEnd().split('\n')) expect(line).toMatch(/(^|\s)# \S.*\S$/);
  });

  // curl is in the lines themselves; without it there is nothing to try.
  const hasCurl = spawnSync('bash', ['-c', 'command -v curl sed']).status === 0;

  it.skipIf(!hasCurl)('says lines that work as they are', async () => {
    const file = join(dir, 'thalamus.yaml');
    writeFirstConfig(file);
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.replace('port: 8008', 'port: 0   '));
    const program = startProgram(['start'], { cwd: dir });
    const [, port] = await program.waitFor(/"port":(\d+)/);
    await program.waitFor(/"msg":"server started"/);
    const lines = nextSteps(`http://127.0.0.1:${port}`, file)
      .split('\n')
      .filter((line) => line.startsWith('  '));
    expect(lines).toHaveLength(4);
    const output = execFileSync('bash', ['-euc', lines.join('\n')], { encoding: 'utf8' });
    expect(output).toMatch(/^\{\}\{"presence":"online",.*"status_msg":"hello"/);
    program.child.kill('SIGTERM');
    expect((await program.ended).exitCode).toBe(0);
  });

  it('makes a token for the admin API, which works, and which only this user can read', async () => {
    const file = join(dir, 'thalamus.yaml');
    writeFirstConfig(file);
    writeFileSync(file, readFileSync(file, 'utf8').replace('port: 8008', 'port: 0   '));
    const program = startProgram(['start'], { cwd: dir });
    const [, port] = await program.waitFor(/"port":(\d+)/);
    const token = readFileSync(join(dir, 'admin.token'), 'utf8').trim();
    expect(statSync(join(dir, 'admin.token')).mode & 0o777).toBe(0o600);
    const headers = { authorization: `Bearer ${token}` };
    const response = await fetch(`http://127.0.0.1:${port}/_thalamus/admin/v1/users`, { headers });
    expect([response.status, await response.json()]).toEqual([200, { users: [], total: 0 }]);
    program.child.kill('SIGTERM');
    await program.ended;
    expect(program.stdout()).not.toContain(token);
  });

  it('runs as `npm start` does, and says what to try; or that the port is taken', async () => {
    const program = startProgram(['start'], { cwd: dir });
    const ended = program.ended.then(({ stderr }) => stderr);
    const result = await Promise.race([ended, program.waitFor(/Stop with Ctrl-C/)]);
    // Somebody may have a server of their own at 8008 while the tests run.
    if (typeof result === 'string') expect(result).toContain('127.0.0.1:8008 is in use');
    else expect(program.stdout()).toContain('Thalamus runs at http://127.0.0.1:8008.');
    program.child.kill('SIGTERM');
    await program.ended;
    expect(await runProgram(['check-config'], { cwd: dir })).toMatchObject({ exitCode: 0, stderr: '' });
  });
});
