/**
 * `record_traffic` over a real server with real polls, and `thalamus module test --against` what it has recorded.
 */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ADMIN_TOKEN, startAdminServer, withAdmin } from '../support/admin-server.ts';
import { runHere } from '../support/run-here.ts';
import { runProgram, spawnServer, startProgram } from '../support/spawn-server.ts';
import { startTestServer, type TestServer } from '../support/start-test-server.ts';
import type { TestUser } from '../support/test-client.ts';
import { until } from '../support/until.ts';

/** Shows everybody named in `to` the users named in `of`, and keeps `denied` from everybody. */
const ROUTER = `
export default class Router {
  #config;
  constructor(config, api) {
    this.#config = config;
    api.registerPresenceRouterCallbacks(this);
  }
  getUsersForStates(updates) {
    const { of = [], to = [] } = this.#config;
    const routed = updates.filter(({ userId }) => of.includes(userId));
    return new Map(to.map((userId) => [userId, routed]));
  }
  getInterestedUsers(userId) {
    const { of = [], to = [] } = this.#config;
    return to.includes(userId) ? of : [];
  }
  getRestrictions(source) {
    return (this.#config.denied ?? []).includes(source) ? 'deny' : null;
  }
}
`;

const SECRET_WORDS = 'a word about myself';
const RECORD = { record_traffic: { path: 'record/traffic.ndjson' } };
const before = { of: ['@bob:test.example'], to: ['@carol:test.example'] };

interface People {
  readonly alice: TestUser;
  readonly bob: TestUser;
  readonly carol: TestUser;
}

/** Alice and Bob share a room; Carol shares none. All sync; Bob is online, away, and online again. */
async function liveALittle(server: TestServer): Promise<People> {
  const [alice, bob, carol] = [
    await server.register('alice'),
    await server.register('bob'),
    await server.register('carol'),
  ] as const;
  const roomId = await alice.createRoom({ preset: 'public_chat' });
  await bob.join(roomId);
  for (const user of [alice, carol]) await user.sync({ set_presence: 'offline' });
  for (const state of ['online', 'unavailable', 'online']) {
    await bob.setPresence(state, SECRET_WORDS);
    for (const user of [alice, carol]) await user.sync({ set_presence: 'offline' });
  }
  return { alice, bob, carol };
}

function linesOf(path: string): Record<string, unknown>[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

function updatesOf(path: string): unknown[] {
  return existsSync(path) ? linesOf(path).filter(({ type }) => type === 'update') : [];
}

async function tryAgainst(against: string, module: string, config: unknown, more: readonly string[] = []) {
  const args = ['module', 'test', module, '--config', JSON.stringify(config), '--against', against, ...more];
  // The token of a server is in the environment.
  return against.startsWith('http') ? runProgram(args, { env: { THALAMUS_ADMIN_TOKEN: ADMIN_TOKEN } }) : runHere(args);
}

/** A server whose users have lived a little, all of which is in its record. */
async function startRecording(): Promise<Awaited<ReturnType<typeof startAdminServer>>> {
  const server = await startAdminServer({
    modules: [{ source: ROUTER, config: before }],
    config: { admin_api: { token_path: 'admin.token' }, ...RECORD },
  });
  try {
    await liveALittle(server);
    await until(() => updatesOf(join(server.dir, 'record/traffic.ndjson')).length >= 3);
    return server;
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
}

describe('record_traffic', () => {
  it('row 342: is tried with the same module, which changes nothing, and with others, which change exactly what they do', async () => {
    await using server = await startRecording();
    const file = join(server.dir, 'record/traffic.ndjson');
    const module = join(server.dir, 'module-0.ts');

    const same = await tryAgainst(file, module, before, ['--json']);
    expect(same.stderr).toBe('');
    expect(same.exitCode).toBe(0);
    const report = JSON.parse(same.stdout);
    expect(report).toMatchObject({ nothing_changes: true, server_name: 'test.example', unreadable_lines: 0 });
    // To Alice by the room, to Carol by the module.
    const count = updatesOf(file).filter((line) => JSON.stringify(line).includes('"modules"')).length;
    expect(count).toBe(3);
    expect(report.users.before).toBe(report.users.after);
    expect(report.users.before).toBeGreaterThanOrEqual(6);

    const without = await tryAgainst(file, module, {}, ['--json']);
    expect(JSON.parse(without.stdout)).toMatchObject({
      nothing_changes: false,
      users: { more: 0, less: 3 },
      observers: [{ user: '@carol:test.example', more: 0, less: 3 }],
      sources: [{ user: '@bob:test.example', more: 0, less: 3 }],
    });

    const denied = await tryAgainst(file, module, { ...before, denied: ['@bob:test.example'] }, ['--json']);
    const lost = JSON.parse(denied.stdout);
    expect(lost.users).toMatchObject({ more: 0, less: 6 });
    expect(lost.observers).toHaveLength(2);

    const text = await tryAgainst(file, module, { ...before, to: ['@carol:test.example', '@ghost:test.example'] });
    expect(text.stdout).toContain('nothing changes');
  }, 60_000);

  it('row 342: waits for modules that take their time, and has what they withhold and reduce', async () => {
    const slow = ROUTER.replaceAll('  getUsersForStates(', '  async getUsersForStates(')
      .replace('  getRestrictions(source) {', '  async getRestrictions(source) {')
      .replaceAll(
        '{ of = [], to = [] } = this.#config;\n    const',
        '{ of = [], to = [] } = this.#config;\n    await pause();\n    const',
      )
      .replace(
        "return (this.#config.denied ?? []).includes(source) ? 'deny' : null;",
        "await pause(); return source === '@bob:test.example' ? new Map([['@alice:test.example', 'deny'], ['@carol:test.example', { hide: ['status_msg'] }]]) : null;",
      )
      .concat('const pause = () => new Promise((resolve) => setTimeout(resolve, 20));\n');
    await using server = await startTestServer({ modules: [{ source: slow, config: before }], config: RECORD });
    const file = join(server.dir, 'record/traffic.ndjson');
    const { alice, bob, carol } = await liveALittle(server);
    // Each has been answered before the next.
    for (const state of ['unavailable', 'online', 'unavailable']) {
      const count = updatesOf(file).length;
      await bob.setPresence(state, SECRET_WORDS);
      for (const user of [alice, carol]) await user.sync({ set_presence: 'offline' });
      await until(() => updatesOf(file).length > count);
    }
    const ids = linesOf(file).flatMap((line) => (line['type'] === 'ids' ? (line['ids'] as string[]) : []));
    const [a, c] = [ids.indexOf('@alice:test.example'), ids.indexOf('@carol:test.example')];
    expect(updatesOf(file).at(-1)).toMatchObject({
      state: 'unavailable',
      users: { modules: [c], reduced: [[c, 4]], withheld: [a] },
    });
    const same = await tryAgainst(file, join(server.dir, 'module-0.ts'), before, ['--json']);
    expect(JSON.parse(same.stdout)).toMatchObject({
      nothing_changes: true,
      users: { more: 0, less: 0, other_form: 0 },
    });
    writeFileSync(join(server.dir, 'plain.ts'), ROUTER);
    const plain = await tryAgainst(file, join(server.dir, 'plain.ts'), before, ['--json']);
    const { users, observers } = JSON.parse(plain.stdout);
    expect(users.more).toBe(users.other_form);
    expect(observers.map(({ user }: { user: string }) => user).toSorted()).toEqual([
      '@alice:test.example',
      '@carol:test.example',
    ]);
  }, 60_000);

  it('is read from the running server', async () => {
    await using server = await startRecording();
    const file = join(server.dir, 'record/traffic.ndjson');
    const module = join(server.dir, 'module-0.ts');
    const result = await tryAgainst(server.baseUrl, module, {});
    expect(result.stderr).toBe('');
    expect(result.stdout).toContain('@carol:test.example  -3');
    const response = await server.request('GET', '/_thalamus/admin/v1/traffic', { token: ADMIN_TOKEN });
    expect(response.body).toBe(readFileSync(file, 'utf8'));

    const wrong = await runProgram(['module', 'test', module, '--against', server.baseUrl], {
      env: { THALAMUS_ADMIN_TOKEN: 'wrong' },
    });
    expect(wrong.exitCode).toBe(1);
    expect(wrong.stderr).toContain('does not take the token');
  }, 60_000);

  it('row 343: writes nothing but ids, times and states, for this user only', async () => {
    await using server = await startTestServer({ modules: [{ source: ROUTER, config: before }], config: RECORD });
    const file = join(server.dir, 'record/traffic.ndjson');
    const { bob } = await liveALittle(server);
    await until(() => updatesOf(file).length >= 3);
    const text = readFileSync(file, 'utf8');
    expect(text).not.toContain(SECRET_WORDS);
    expect(text).not.toContain('status');
    expect(text).not.toContain(bob.deviceId);
    expect(text).not.toContain(bob.accessToken);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const known = [
      'type',
      'version',
      'server_name',
      'ts',
      'first',
      'ids',
      'room',
      'members',
      'users',
      'user',
      'state',
      'servers',
    ];
    for (const line of linesOf(file)) expect(known).toEqual(expect.arrayContaining(Object.keys(line)));
    expect(await server.metric('thalamus_traffic_recorded_total')).toBeGreaterThanOrEqual(3);
    expect(await server.metric('thalamus_traffic_dropped_total')).toBe(0);
  });

  it('row 343: does nothing, and has no metrics, without the section', async () => {
    await using server = await startTestServer();
    await liveALittle(server);
    expect(readdirSync(server.dir)).not.toContain('record');
    expect(await server.metric('thalamus_traffic_recorded_total')).toBeNull();
  });

  it('row 343: keeps to max_size and keep, and each file can be read by itself', async () => {
    await using server = await startTestServer({
      config: { record_traffic: { path: 'traffic.ndjson', max_size: '4K', keep: 2 } },
    });
    const { bob } = await liveALittle(server);
    const path = join(server.dir, 'traffic.ndjson');
    for (let round = 0; round < 150; round++) await bob.setPresence(round % 2 === 0 ? 'online' : 'unavailable');
    await until(() => existsSync(`${path}.2`));
    await server.server.stop();
    const files = readdirSync(server.dir).filter((name) => name.startsWith('traffic'));
    expect(files.toSorted()).toEqual(['traffic.ndjson', 'traffic.ndjson.1', 'traffic.ndjson.2']);
    for (const name of files) {
      expect(statSync(join(server.dir, name)).size).toBeLessThanOrEqual(4096);
      expect(linesOf(join(server.dir, name))[0]).toMatchObject({ type: 'start' });
    }
    const module = join(server.dir, 'idle.ts');
    writeFileSync(module, 'export default class Idle {}');
    const result = await tryAgainst(path, module, {}, ['--json']);
    expect(JSON.parse(result.stdout)).toMatchObject({ nothing_changes: true, unreadable_lines: 0, segments: 3 });
  }, 60_000);

  it('is readable after kill -9, and goes on in the same file', async () => {
    await using server = await spawnServer(
      withAdmin({ config: { admin_api: { token_path: 'admin.token' }, ...RECORD } }),
    );
    const file = join(server.dir, 'record/traffic.ndjson');
    await liveALittle(server as unknown as TestServer);
    await until(() => updatesOf(file).length >= 3);
    await server.kill();
    // As if it had been in the middle of a line.
    writeFileSync(file, '{"type":"upda', { flag: 'a' });
    await server.restart();
    const bob = await server.login('bob');
    const count = updates(file);
    await bob.setPresence('unavailable');
    await until(() => updates(file) > count);
    const module = join(server.dir, 'idle.ts');
    writeFileSync(module, 'export default class Idle {}');
    const result = await tryAgainst(file, module, {}, ['--json']);
    expect(JSON.parse(result.stdout)).toMatchObject({ nothing_changes: true, unreadable_lines: 1, segments: 2 });
  }, 60_000);

  it('ends cleanly when it is interrupted', async () => {
    await using server = await startTestServer({ config: RECORD });
    await liveALittle(server);
    const file = join(server.dir, 'record/traffic.ndjson');
    await until(() => updatesOf(file).length >= 3);
    const [head, body] = splitRecord(readFileSync(file, 'utf8'));
    writeFileSync(join(server.dir, 'long.ndjson'), head + body.repeat(20_000));
    const module = join(server.dir, 'idle.ts');
    const begun = join(server.dir, 'begun');
    // It is constructed when the record has begun.
    writeFileSync(
      module,
      `import { writeFileSync } from 'node:fs';\nwriteFileSync(${JSON.stringify(begun)}, '');\nexport default class Idle {}`,
    );
    const program = startProgram(['module', 'test', module, '--against', join(server.dir, 'long.ndjson')]);
    await until(() => existsSync(begun));
    program.child.kill('SIGINT');
    const { exitCode, stdout, stderr } = await program.ended;
    expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: '' });
    expect(stdout).toContain('interrupted');
  }, 60_000);
});

function updates(file: string): number {
  return readFileSync(file, 'utf8').split('"type":"update"').length;
}

/** The beginning of a segment, and its updates. */
function splitRecord(text: string): [string, string] {
  const lines = text.split('\n');
  const isUpdate = (line: string): boolean => line.startsWith('{"type":"update"');
  return [`${lines.filter((line) => !isUpdate(line)).join('\n')}\n`, `${lines.filter(isUpdate).join('\n')}\n`];
}
