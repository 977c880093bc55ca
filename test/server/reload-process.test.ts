/**
 * Modules that are loaded anew in the real program: by SIGHUP, by `--watch`, two hundred times, and when it is killed meanwhile.
 */
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type SpawnedServer, spawnServer } from '../support/spawn-server.ts';
import { until } from '../support/until.ts';

/** Gives everybody's presence to one user. */
const giving = (target: string): string => `import { helper } from './helper.ts';
const to = '@${target}:test.example';
export default class {
  constructor(_: unknown, api: any) {
    api.registerPresenceRouterCallbacks(this);
  }
  getUsersForStates(states: readonly any[]) {
    return helper(to, states);
  }
  getInterestedUsers(userId: string) {
    return userId === to ? 'ALL' : [];
  }
}
`;
const HELPER = 'export const helper = (to: string, states: readonly any[]) => ({ [to]: states });\n';

/** As editors do it: the new file takes the place of the old one. */
function put(server: SpawnedServer, name: string, text: string): void {
  const file = join(server.dir, name);
  writeFileSync(`${file}.tmp`, text);
  renameSync(`${file}.tmp`, file);
}

const count = (text: string, what: string): number => text.split(what).length - 1;

describe('SIGHUP', () => {
  it('rows 345, 348: loads the modules again, as the configuration has them then', async () => {
    await using server = await spawnServer({
      files: { 'helper.ts': HELPER },
      modules: [{ source: giving('bob') }],
    });
    const [alice, bob, carol] = [
      await server.register('alice'),
      await server.register('bob'),
      await server.register('carol'),
    ];
    await alice.setPresence('online');
    await bob.waitForPresence(alice.userId, ({ presence }) => presence === 'online');
    put(server, 'module-0.ts', giving('carol'));
    server.program.child.kill('SIGHUP');
    await server.program.waitFor(/"msg":"modules reloaded"/);
    await carol.waitForPresence(alice.userId, ({ presence }) => presence === 'online');
    await expect.poll(async () => (await bob.getPresence(alice.userId)).status).toBe(403);

    put(server, 'helper.ts', 'export const helper = (;\n');
    server.program.child.kill('SIGHUP');
    await server.program.waitFor(/"msg":"modules were not reloaded: the ones before stay"/);
    expect(server.program.stdout()).toContain('helper.ts:1:');
    expect((await carol.getPresence(alice.userId)).status).toBe(200);

    server.changeConfig({ modules: [] });
    server.program.child.kill('SIGHUP');
    await expect.poll(async () => (await carol.getPresence(alice.userId)).status, { timeout: 10_000 }).toBe(403);
    expect(server.program.stdout()).not.toMatch(/"needRestart":\[[^\]]*modules/);
  });
});

describe('thalamus start --watch', () => {
  it('row 347: takes over each change of the modules’ files and of the configuration, and says what is wrong, with file and line', async () => {
    await using server = await spawnServer({
      files: { 'helper.ts': HELPER },
      modules: [{ source: giving('bob') }],
      args: ['--watch'],
    });
    const { program } = server;
    await program.waitFor(/thalamus: watching \S+thalamus\.yaml and 2 files of modules/);
    const [alice, bob, carol] = [
      await server.register('alice'),
      await server.register('bob'),
      await server.register('carol'),
    ];
    await alice.setPresence('online');
    await bob.waitForPresence(alice.userId, ({ presence }) => presence === 'online');
    const reloaded = async (times: number): Promise<void> =>
      until(() => count(program.stderr(), 'thalamus: reloaded ./module-0.ts (') === times);

    put(server, 'module-0.ts', giving('carol'));
    await reloaded(1);
    await carol.waitForPresence(alice.userId, ({ presence }) => presence === 'online');

    put(server, 'module-0.ts', `${giving('carol')}\nexport const = 1;\n`);
    await program.waitFor(/thalamus: not reloaded: .*module-0\.ts:\d+:\d+\n/);
    // A file that was imported, and one that it imports from now on.
    put(server, 'module-0.ts', giving('carol'));
    await reloaded(2);
    put(server, 'helper.ts', "export { helper } from './deeper.ts';\n");
    await program.waitFor(/thalamus: not reloaded: .*Cannot find module '\.\/deeper\.ts'/);
    put(server, 'deeper.ts', HELPER);
    await reloaded(3);
    put(server, 'deeper.ts', 'export const helper = () => ({});\n');
    await reloaded(4);
    rmSync(join(server.dir, 'module-0.ts'));
    await program.waitFor(/thalamus: not reloaded: .*there is no file/);
    put(server, 'module-0.ts', giving('bob'));
    await reloaded(5);

    const failures = count(program.stderr(), 'thalamus: not reloaded');
    server.changeConfig({ modules: [{ module: './gone.ts' }] });
    await until(() => count(program.stderr(), 'thalamus: not reloaded') > failures);
    server.changeConfig({ modules: [{ module: './module-0.ts', name: 'other' }] });
    await reloaded(6);
    const { exitCode } = await server.terminate();
    expect(exitCode).toBe(0);
  });
});

describe('many reloads', () => {
  it('row 352: two hundred under load grow no memory', { timeout: 180_000 }, async () => {
    // A module can look at the heap after a collection; each has something to leak.
    const probing = (n: number): string => `import { helper } from './helper.ts';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
const ballast = new Array(50_000).fill(${n});
export default class {
  constructor(_: unknown, api: any) {
    api.registerPresenceRouterCallbacks(this);
    api.loopingBackgroundCall(() => ballast.length, 10_000);
    api.registerWebResource('/_probe', async () => {
      setFlagsFromString('--expose-gc');
      const gc = runInNewContext('gc');
      for (let round = 0; round < 4; round++) {
        await new Promise((resolve) => setImmediate(resolve));
        gc();
      }
      return Response.json({ n: ${n}, heapUsed: process.memoryUsage().heapUsed });
    });
  }
  async getUsersForStates(states: readonly any[], { signal }: { signal: AbortSignal }) {
    signal.addEventListener('abort', () => ballast);
    await new Promise((resolve) => setImmediate(resolve));
    return helper('@bob:test.example', states);
  }
  async getInterestedUsers(userId: string) {
    return userId === '@bob:test.example' ? 'ALL' : [];
  }
}
`;
    await using server = await spawnServer({
      files: { 'helper.ts': HELPER },
      modules: [{ source: probing(0) }],
      config: { log: { level: 'info', format: 'json' } },
    });
    const { program } = server;
    const [alice, bob] = [await server.register('alice'), await server.register('bob')];
    const progress = { isOver: false, updates: 0, polls: 0 };
    const load = [
      (async () => {
        for (; !progress.isOver; progress.updates++) await alice.setPresence('online', `status ${progress.updates}`);
      })(),
      (async () => {
        let { next_batch: since } = await bob.sync({ set_presence: 'offline' });
        for (; !progress.isOver; progress.polls++)
          ({ next_batch: since } = await bob.sync({ since, timeout: 1000, set_presence: 'offline' }));
      })(),
    ];
    let done = 0;
    const reload = async (): Promise<void> => {
      done += 1;
      put(server, 'module-0.ts', probing(done));
      put(server, 'helper.ts', `${HELPER}// ${done}\n`);
      program.child.kill('SIGHUP');
      await until(() => count(program.stdout(), '"msg":"modules reloaded"') === done, 20_000);
    };
    const heapUsed = async (): Promise<number> => {
      const { body } = await server.request('GET', '/_probe');
      const { n, heapUsed } = typeof body === 'string' ? JSON.parse(body) : body;
      expect(n).toBe(done);
      return heapUsed;
    };
    for (let warm = 0; warm < 60; warm++) await reload();
    const before = await heapUsed();
    for (let again = 0; again < 200; again++) await reload();
    const after = await heapUsed();
    progress.isOver = true;
    await Promise.all(load);
    expect(progress.updates).toBeGreaterThan(200);
    expect(progress.polls).toBeGreaterThan(50);
    // Caches of the process fill up a little yet; modules that stayed would be 80 MB.
    expect(after - before).toBeLessThan(4_000_000);
    expect(program.stdout()).not.toContain('was not taken down cleanly');
  });

  it('row 353: kill -9 in the middle of one, and the next start has what was answered', async () => {
    await using server = await spawnServer({
      files: { 'helper.ts': HELPER },
      modules: [{ source: giving('bob') }],
    });
    const [alice, bob] = [await server.register('alice'), await server.register('bob')];
    const { next_batch: since } = await bob.sync();
    // Its constructor is still at it when the process ends.
    put(
      server,
      'module-0.ts',
      `console.log('begun'); export default async () => { await new Promise((resolve) => setTimeout(resolve, 60_000)); };`,
    );
    server.program.child.kill('SIGHUP');
    await server.program.waitFor(/begun/);
    expect((await alice.setPresence('unavailable', 'still there')).status).toBe(200);
    await server.kill();
    put(server, 'module-0.ts', giving('bob'));
    await server.restart();
    const { content } = await bob.waitForPresence(alice.userId, ({ presence }) => presence === 'unavailable', {
      since,
    });
    expect(content).toMatchObject({ status_msg: 'still there' });
  });
});
