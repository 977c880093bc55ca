/**
 * `thalamus explain`, asking a real server: what it prints, watches and complains about, and its exit codes.
 */
import { describe, expect, it } from 'vitest';
import { ADMIN_TOKEN, runExplain, startAdminServer } from '../support/admin-server.ts';
import { runHere } from '../support/run-here.ts';
import { type Script, scriptedModule } from '../support/scripted-module.ts';
import { type ProgramResult, runProgram, startProgram } from '../support/spawn-server.ts';
import { startTestServer } from '../support/start-test-server.ts';

const ALICE = '@alice:test.example';
const BOB = '@bob:test.example';

/** Alice and Bob, who is online; in no room. */
async function start(script: Script | null) {
  const server = await startAdminServer(script === null ? {} : { modules: [scriptedModule(script)] });
  const [alice, bob] = [await server.register('alice'), await server.register('bob')];
  await bob.setPresence('online', 'at the desk');
  return Object.assign(server, { alice, bob });
}

describe('thalamus explain', () => {
  it('prints the chain, or JSON, and finds address and token in the configuration', async () => {
    await using server = await start({ routes: { [BOB]: [ALICE] }, interest: { [ALICE]: [BOB] } });
    const printed = await runExplain(server, ALICE, BOB);
    expect(printed).toMatchObject({ exitCode: 0, stderr: '' });
    expect(printed.stdout).toMatch(/^@alice:test\.example sees the presence of @bob:test\.example: /);
    expect(printed.stdout).toMatch(/✓ module 0 .* interested in @bob:test\.example {2}\(getInterestedUsers, .* ms\)/);
    expect(printed.stdout).not.toContain('\u001B');
    // A port that any was free for is not in the file before a restart.
    const early = await runProgram(['explain', ALICE, BOB, '-c', server.configFile]);
    expect(early.stderr).toContain('takes any free port: give its address with --url');
    await server.restart();
    const { exitCode, stdout } = await runProgram(['explain', ALICE, BOB, '-c', server.configFile, '--json']);
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ observer: ALICE, target: BOB, is_visible: true });
  });

  it('row 340: watches: says it again when it changes, and ends at Ctrl-C', async () => {
    await using server = await start(null);
    const roomId = await server.alice.createRoom({ preset: 'public_chat', name: 'Lounge' });
    const args = [
      'explain',
      ALICE,
      BOB,
      '--watch',
      '--url',
      server.baseUrl,
      '--token-file',
      `${server.dir}/admin.token`,
    ];
    const program = startProgram(args);
    await program.waitFor(/does not see the presence/);
    await server.bob.join(roomId);
    await program.waitFor(/@alice:test\.example sees the presence of @bob:test\.example: .*Lounge/);
    const printed = program.stdout();
    await server.bob.setPresence('online', 'busy');
    await program.waitFor(/"status_msg":"busy"/);
    expect(printed.match(/Presence is tracked/g)).toHaveLength(2);
    program.child.kill('SIGINT');
    expect(await program.ended).toMatchObject({ exitCode: 0, stderr: '' });
  });

  it('goes on watching when the server comes back', async () => {
    await using server = await start(null);
    const args = ['explain', ALICE, BOB, '--watch', '--json', '--url', server.baseUrl];
    const program = startProgram(args, { env: { THALAMUS_ADMIN_TOKEN: ADMIN_TOKEN } });
    await program.waitFor(/"shown_as":"nothing"/);
    await server.restart({ presence: { enabled: false } });
    await program.waitFor(/"shown_as":"offline"/);
    program.child.kill('SIGTERM');
    expect(await program.ended).toMatchObject({ exitCode: 0 });
    for (const line of program.stdout().trim().split('\n')) expect(JSON.parse(line)).toMatchObject({ observer: ALICE });
  });

  it('says what is wrong: ids, token, address, resource, configuration; exit code 2', async () => {
    await using server = await start(null);
    const check = (pattern: RegExp, result: ProgramResult): void => {
      expect(result).toMatchObject({ exitCode: 2, stdout: '' });
      expect(result.stderr).toMatch(pattern);
    };
    const wrong = async (pattern: RegExp, ...args: readonly string[]) =>
      check(pattern, await runHere(['explain', ...args]));
    /** Where there is no configuration. */
    const wrongElsewhere = async (pattern: RegExp, ...args: readonly string[]) =>
      check(pattern, await runProgram(['explain', ...args], { cwd: '/', env: { THALAMUS_ADMIN_TOKEN: '' } }));
    const token = ['--token-file', `${server.dir}/admin.token`];
    const here = ['--url', server.baseUrl, ...token];
    await wrong(
      /a user of the server partner\.example, such as @alice:partner\.example\?/,
      ALICE,
      'partner.example',
      ...here,
    );
    await wrong(/the target "bob" is no user id; do you mean @bob:example\.org\?/, ALICE, 'bob', ...here);
    await wrong(
      /"bob:test\.example" is no user id; do you mean @bob:test\.example\?/,
      ALICE,
      'bob:test.example',
      ...here,
    );
    await wrong(/missing required argument 'target'/, ALICE, ...here);
    await wrongElsewhere(/there is no thalamus\.yaml here/, ALICE, BOB);
    await wrongElsewhere(/the token is missing/, ALICE, BOB, '--url', server.baseUrl);
    await wrong(/is no address of a server/, ALICE, BOB, '--url', 'ftp://x', ...token);
    await wrong(
      /token file .*nowhere.* cannot be used/,
      ALICE,
      BOB,
      '--url',
      server.baseUrl,
      '--token-file',
      '/nowhere',
    );
    await wrong(/there is no such file/, ALICE, BOB, '-c', '/nowhere.yaml');
    await using other = await startTestServer({ files: { 'wrong.token': `${'x'.repeat(32)}\n` } });
    await wrong(/has no admin API/, ALICE, BOB, '--url', other.baseUrl, ...token);
    await wrong(/no listener has the resource admin/, ALICE, BOB, '-c', other.configFile);
    await wrong(
      /does not take the token of .*wrong\.token/,
      ALICE,
      BOB,
      '--url',
      server.baseUrl,
      '--token-file',
      `${other.dir}/wrong.token`,
    );
    await server.kill();
    await wrong(/no server answers at http:.*ECONNREFUSED.*Is it running\?/, ALICE, BOB, ...here);
  });

  it('has a hint for user ids that look like names of servers', async () => {
    await using server = await start(null);
    const { exitCode, stderr } = await runExplain(server, 'alice', BOB);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('alice is taken as the name of a server; do you mean @alice:');
  });
});
