/**
 * `thalamus register-user` against a real server.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runProgram, type RunOptions } from '../support/spawn-server.ts';
import { startTestServer } from '../support/start-test-server.ts';

const register = (args: readonly string[], options?: RunOptions) => runProgram(['register-user', ...args], options);

describe('thalamus register-user', () => {
  it('registers by the secret of the configuration, though registration is closed', async () => {
    await using server = await startTestServer({ config: { enable_registration: false } });
    // The running server's port, so that its address is read from the file, too.
    await server.restart();
    expect(await register(['-c', server.configFile, '-u', 'alice', '-p', 'alice'])).toEqual({
      exitCode: 0,
      signal: null,
      stdout: '@alice:test.example is registered\n',
      stderr: '',
    });
    const alice = await server.login('alice');
    expect(alice.userId).toBe('@alice:test.example');
  });

  it('registers an administrator by a secret and an address on the command line, the password from the standard input', async () => {
    await using server = await startTestServer();
    const args = ['-k', 'test secret', '-u', '@root:test.example', '--admin', server.baseUrl];
    expect(await register(args, { input: 'very secret\n' })).toMatchObject({
      exitCode: 0,
      stdout: '@root:test.example is registered, as an administrator\n',
    });
    await server.login('root', { password: 'very secret' });
  });

  it('takes the password from a file', async () => {
    await using server = await startTestServer();
    const file = join(server.dir, 'password.txt');
    writeFileSync(file, 'from a file\n');
    expect(await register(['-k', 'test secret', '-u', 'bob', '--password-file', file, server.baseUrl])).toMatchObject({
      exitCode: 0,
    });
    await server.login('bob', { password: 'from a file' });
  });

  it('says why the server refused: exit code 1', async () => {
    await using server = await startTestServer();
    await server.register('alice');
    const taken = await register(['-k', 'test secret', '-u', 'alice', '-p', 'x', server.baseUrl]);
    expect(taken).toMatchObject({ exitCode: 1, stdout: '' });
    expect(taken.stderr).toContain('M_USER_IN_USE');
    const wrong = await register(['-k', 'wrong secret', '-u', 'bob', '-p', 'x', server.baseUrl]);
    expect(wrong).toMatchObject({ exitCode: 1, stdout: '' });
    expect(wrong.stderr).toContain('the secret is not the registration_shared_secret of that server');
  });

  it('says that no server answers: exit code 1', async () => {
    const server = await startTestServer();
    await server.stop();
    const { exitCode, stderr } = await register(['-k', 'x', '-u', 'bob', '-p', 'x', server.baseUrl]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`no server answers at ${server.baseUrl}: connect ECONNREFUSED`);
  });

  it('says what is missing: exit code 2', async () => {
    await using server = await startTestServer({ config: { registration_shared_secret: undefined } });
    expect((await register(['-u', 'bob', '-p', 'x'])).stderr).toContain('the secret is missing');
    expect((await register(['-u', 'bob', '-p', 'x', '-c', server.configFile])).stderr).toContain(
      'has no registration_shared_secret',
    );
    expect((await register(['-k', 'x', '-p', 'x'])).stderr).toContain('the user name is missing');
    expect(await register(['-k', 'x', '-u', 'bob'])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('the password is missing'),
    });
    expect(await register(['-k', 'x', '-u', 'bob', '-p', 'x', 'ftp://x'])).toMatchObject({ exitCode: 2 });
    expect(await register(['-c', 'nowhere.yaml'])).toMatchObject({ exitCode: 2 });
  });
});
