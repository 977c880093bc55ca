/**
 * `thalamus start` as a process: exit codes, signals, and what it says about everything that can be in the way.
 */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDatabase } from '../../src/adapters/sqlite/database.ts';
import { SilentLogger } from '../../src/adapters/memory/logger.ts';
import { runProgram, spawnServer } from '../support/spawn-server.ts';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'thalamus-start-'));
});
afterEach(() => {
  chmodSync(dir, 0o700);
  rmSync(dir, { recursive: true });
});

function write(name: string, text: string): void {
  writeFileSync(join(dir, name), text);
}
function configure(extra = '', port = 0): void {
  const listener = `{port: ${port}, bind_addresses: [127.0.0.1], resources: [{names: [client]}]}`;
  write('thalamus.yaml', `server_name: test.example\nlisteners: [${listener}]\nlog: {format: json}\n${extra}`);
}
const start = () => runProgram(['start'], { cwd: dir });

describe('thalamus start: exit code 2, the configuration', () => {
  it('says everything that is wrong, and makes nothing', async () => {
    write('thalamus.yaml', 'server_name: 3\nlissteners: []\n');
    expect(await start()).toEqual({
      exitCode: 2,
      signal: null,
      stdout: '',
      stderr: [
        'thalamus: thalamus.yaml:1:14: server_name: must be a server name, such as "example.org": the part of user ids after the colon, not 3',
        'thalamus: thalamus.yaml:2:1: lissteners: unknown key; the nearest known key is "listeners"',
        '',
      ].join('\n'),
    });
  });

  it('does not write a configuration where -c names one that is missing', async () => {
    const result = await runProgram(['start', '-c', 'other.yaml'], { cwd: dir });
    expect(result).toMatchObject({ exitCode: 2, stdout: '' });
    expect(result.stderr).toContain('other.yaml: there is no such file; "thalamus generate-config');
  });

  it('rows 117, 118: an entry of the wrong shape names modules[0] and modules[1].module', async () => {
    configure('modules: ["./a.ts", {module: 5}]');
    const { exitCode, stderr } = await start();
    expect(exitCode).toBe(2);
    expect(stderr).toContain(': modules[0]: must be a section');
    expect(stderr).toContain(': modules[1].module: must be a text such as "./my-router.ts"');
  });

  it('row 120: a parseConfig that throws anything names modules[1].config, with message and cause', async () => {
    write('fine.ts', 'export default class { }');
    write('picky.ts', 'export default class { static parseConfig() { throw new RangeError("no watchers"); } }');
    configure('modules:\n  - module: ./fine.ts\n  - module: ./picky.ts\n    config: {watchers: []}\n');
    const { exitCode, stderr } = await start();
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/thalamus\.yaml:7:\d+: modules\[1\]\.config: no watchers \(RangeError\)/);
  });

  it('refuses a token of the admin API that is none, and says nothing of it', async () => {
    write('admin.token', 'hush hush');
    const listener = '{port: 0, bind_addresses: [127.0.0.1], resources: [{names: [admin]}]}';
    write('thalamus.yaml', `server_name: a.org\nlisteners: [${listener}]\nadmin_api: {token_path: admin.token}\n`);
    const stderrs = /thalamus\.yaml:3:\d+: admin_api\.token_path: .*admin\.token is too short/;
    const expected = { exitCode: 2, stderr: expect.stringMatching(stderrs) };
    expect(await start()).toMatchObject(expected);
    expect((await start()).stderr).not.toContain('hush');
    expect(await runProgram(['check-config'], { cwd: dir })).toMatchObject(expected);
    const env = { THALAMUS_ADMIN_TOKEN: 'also short' };
    const { exitCode, stderr } = await runProgram(['start'], { cwd: dir, env });
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('THALAMUS_ADMIN_TOKEN is too short')]);
    expect(stderr).not.toContain('also short');
  });

  it('refuses TLS files that are none', async () => {
    write('a.pem', 'nothing');
    const tls = 'tls_certificate_path: a.pem\ntls_private_key_path: a.pem\n';
    write(
      'thalamus.yaml',
      `server_name: a.org\nlisteners: [{port: 0, tls: true, resources: [{names: [client]}]}]\n${tls}`,
    );
    const { exitCode, stderr } = await start();
    expect(exitCode).toBe(2);
    expect(stderr).toContain('are not a certificate and its key in PEM form');
  });
});

describe('thalamus start: exit code 3, a module that would not load', () => {
  it.each([
    ['there is no such file', './gone.ts', undefined, 'gone.ts'],
    ['an import fails', './a.ts', 'import "nowhere-to-be-found"; export default class {}', 'could not be imported'],
    ['it does not parse', './a.ts', 'export default class {{', 'could not be imported'],
    ['the export is missing', './a.ts#Router', 'export class Other {}', 'has no export "Router"; it exports Other'],
    [
      'the constructor throws',
      './a.ts',
      'export default class { constructor() { throw new Error("no luck"); } }',
      'no luck',
    ],
    [
      'it registers half a pair',
      './a.ts',
      'export default class { constructor(c: unknown, api: any) { api.registerPresenceRouterCallbacks({ getUsersForStates: () => new Map() }); } }',
      'getInterestedUsers',
    ],
  ])('when %s', async (_case, module, source, message) => {
    if (source !== undefined) write('a.ts', source);
    configure(`modules: [{module: "${module}"}]`);
    const { exitCode, stderr, stdout } = await start();
    expect({ exitCode, stderr }).toEqual({ exitCode: 3, stderr: expect.stringContaining(`modules[0] (${module})`) });
    expect(stderr).toContain(message);
    expect(stdout).not.toContain('"msg":"listening"');
  });
});

describe('thalamus start: exit code 1, something else is in the way', () => {
  it('says that a port is in use, and lets go of the database', async () => {
    const other = createTcpServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as AddressInfo;
    configure('', port);
    const { exitCode, stderr } = await start();
    expect({ exitCode, stderr }).toEqual({
      exitCode: 1,
      stderr: `thalamus: 127.0.0.1:${port} is in use: another program listens there. Stop it, or choose another port under listeners\n`,
    });
    await new Promise((resolve) => other.close(resolve));
    openDatabase({ path: join(dir, 'data/thalamus.db'), logger: new SilentLogger() }).close();
  });

  it('says that the database is in use by another process', async () => {
    configure();
    const database = openDatabase({ path: join(dir, 'data/thalamus.db'), logger: new SilentLogger() });
    const { exitCode, stderr } = await start();
    database.close();
    expect(exitCode).toBe(1);
    expect(stderr).toContain('another Thalamus process is using the database');
  });

  it('says that the database is from a newer version', async () => {
    configure();
    const database = openDatabase({ path: join(dir, 'data/thalamus.db'), logger: new SilentLogger() });
    database.exec('PRAGMA user_version = 9999');
    database.close();
    const { exitCode, stderr } = await start();
    expect(exitCode).toBe(1);
    expect(stderr).toContain('has schema version 9999');
    expect(stderr).toContain('use the newer Thalamus again');
  });

  it('says that the file is no database, and leaves it alone', async () => {
    configure();
    mkdirSync(join(dir, 'data'));
    write('data/thalamus.db', 'a diary, not a database. '.repeat(100));
    const { exitCode, stderr } = await start();
    expect(exitCode).toBe(1);
    expect(stderr).toContain('the file is not a SQLite database');
    expect(readFileSync(join(dir, 'data/thalamus.db'), 'utf8')).toMatch(/^a diary/);
  });

  it('says that the folder of the data cannot be made', async () => {
    configure('database: {args: {database: thalamus.yaml/x/thalamus.db}}');
    const { exitCode, stderr } = await start();
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/the database .*thalamus\.yaml\/x\/thalamus\.db cannot be used: ENOTDIR/);
  });

  it('says that an address is not of this machine', async () => {
    write(
      'thalamus.yaml',
      'server_name: a.org\nlisteners: [{port: 0, bind_addresses: [192.0.2.1], resources: [{names: [client]}]}]',
    );
    const { exitCode, stderr } = await start();
    expect(exitCode).toBe(1);
    expect(stderr).toContain('192.0.2.1');
    expect(stderr).toContain('is not an address of this machine: correct bind_addresses');
  });
});

describe('signals', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('%s drains and ends: exit code 0', async (signal) => {
    await using server = await spawnServer();
    const { exitCode, stdout } = await server.terminate(signal);
    expect(exitCode).toBe(0);
    expect(stdout).toContain(`"signal":"${signal}","msg":"stopping"`);
    expect(stdout).toContain('"msg":"server stopped"');
  });

  it('SIGTERM while modules are being constructed ends in good order, too', async () => {
    write(
      'slow.ts',
      'export default () => new Promise((resolve) => { process.kill(process.pid, "SIGTERM"); setTimeout(resolve, 300); });',
    );
    configure('modules: [{module: ./slow.ts}]');
    const { exitCode, stdout } = await start();
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/"msg":"stopping"[^]*"msg":"module constructed"[^]*"msg":"server stopped"/);
  });

  it('SIGHUP reads log level, limits and TLS files again, and says what needs a restart', async () => {
    await using server = await spawnServer();
    server.changeConfig({
      log: { level: 'warn', format: 'json' },
      max_request_size: '2M',
      presence: { enabled: false },
    });
    server.program.child.kill('SIGHUP');
    // The line about what was reloaded is below the new level.
    await server.program.waitFor(
      /"needRestart":\["listeners","presence"\],"msg":"changes that take effect at the next start"/,
    );
    server.changeConfig({ log: { level: 'debug', format: 'json' } });
    server.program.child.kill('SIGHUP');
    await server.program.waitFor(/"reloaded":\["log\.level"\],"msg":"configuration read again"/);
  });

  it('SIGHUP with a configuration that is wrong changes nothing, and says what is wrong', async () => {
    await using server = await spawnServer();
    server.changeConfig({ log: { level: 'loud' } });
    server.program.child.kill('SIGHUP');
    await server.program.waitFor(/"problems":\["[^"]*log\.level: must be one of[^\n]*the one before stays/);
    expect((await server.request('GET', '/health')).status).toBe(200);
    expect((await server.terminate()).exitCode).toBe(0);
  });

  it('an exception that nobody catches is logged and ends the process: exit code 1', async () => {
    await using server = await spawnServer({
      modules: [{ source: 'export default () => { setTimeout(() => { throw new Error("from nowhere"); }, 500); };' }],
    });
    const { exitCode, stdout } = await server.program.ended;
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/from nowhere[^\n]*"msg":"an exception was not caught: ending"/);
    expect(stdout).toContain('"msg":"server stopped"');
  });

  it('a rejection that nobody handles is logged, and the server goes on', async () => {
    await using server = await spawnServer({
      modules: [
        { source: 'export default () => { setTimeout(() => { Promise.reject(new Error("forgotten")); }, 10); };' },
      ],
    });
    await server.program.waitFor(/forgotten[^\n]*"msg":"a rejection was not handled: going on"/);
    expect((await server.request('GET', '/health')).status).toBe(200);
  });
});
