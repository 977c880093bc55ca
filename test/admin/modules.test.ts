/**
 * Modules and their counters, as the admin API shows them.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startAdminServer } from '../support/admin-server.ts';
import { until } from '../support/until.ts';

/** Its callbacks disagree: updates of bob go to alice, who is interested in carol. */
const DISAGREES = `
export default class Router {
  constructor(config, api) {
    api.registerPresenceRouterCallbacks({
      getUsersForStates: (states) => new Map([['@alice:test.example', states]]),
      getInterestedUsers: (userId) => (userId === '@alice:test.example' ? ['@carol:test.example'] : []),
    });
  }
}`;
const THROWS = `
export class Broken {
  constructor(config, api) {
    api.registerPresenceRouterCallbacks({
      getUsersForStates: () => { throw new Error('no'); },
      getInterestedUsers: () => ['not an id', '@x:test.example'],
    });
  }
}`;
const QUIET = `export default class {}`;

const start = () =>
  startAdminServer({
    modules: [
      { source: DISAGREES, name: 'a/b-c', module_callbacks: { timeout: '7s', max_entries: 5 } },
      { source: THROWS, exportName: 'Broken', module_callbacks: { failures_before_rest: 1, rest: '1h' } },
      { source: QUIET },
    ],
  });

describe('GET /modules', () => {
  it('rows 334, 344: has each module in order, where it is from, its limits, and what has become of its calls', async () => {
    await using server = await start();
    const [alice, bob] = [await server.register('alice'), await server.register('bob')];
    await alice.sync();
    await bob.setPresence('online');
    const modules = async () => (await server.admin('GET', '/modules')).body.modules;
    await until(async () => (await modules())[1].callbacks[0].calls.threw > 0);
    await bob.setPresence('unavailable');
    await until(async () => (await modules())[1].callbacks[0].calls.rested > 0);
    const [disagrees, broken, quiet] = await modules();
    expect(disagrees).toMatchObject({
      name: 'a/b-c',
      module: './module-0.ts',
      file: expect.stringMatching(/\/module-0\.ts$/),
      limits: { timeout_ms: 7000, failures_before_rest: 5, rest_ms: 30_000, max_entries: 5, on_failure: 'deny' },
      callbacks: [
        { callback: 'getUsersForStates', calls: { threw: 0 }, running: 0, rests: 0, rests_until_ts: null, dropped: {} },
        { callback: 'getInterestedUsers' },
      ],
      disagreements: {
        examples: expect.arrayContaining([
          {
            observer: alice.userId,
            source: bob.userId,
            named_by: 'getUsersForStates',
            count: expect.any(Number),
            first_ts: expect.any(Number),
            last_ts: expect.any(Number),
          },
        ]),
      },
    });
    expect(disagrees.disagreements.count).toBeGreaterThanOrEqual(1);
    expect(disagrees.callbacks[0].calls.ok).toBeGreaterThanOrEqual(2);
    expect(disagrees.callbacks[0].seconds.count).toBe(disagrees.callbacks[0].calls.ok);
    expect(broken).toMatchObject({
      name: '1',
      module: './module-1.ts#Broken',
      callbacks: [
        { callback: 'getUsersForStates', calls: { ok: 0, threw: 1 }, rests: 1 },
        { callback: 'getInterestedUsers', dropped: { user_id: expect.any(Number) } },
      ],
    });
    expect(broken.callbacks[0].rests_until_ts).toBeGreaterThan(Date.now() + 3_000_000);
    expect(quiet).toMatchObject({ name: '2', callbacks: [], remembered: 0, disagreements: { count: 0, examples: [] } });
  });

  it('is an empty list without modules', async () => {
    await using server = await startAdminServer();
    expect((await server.admin('GET', '/modules')).body).toEqual({ modules: [] });
  });
});

describe('GET /modules/{name}', () => {
  it('has one of them, by name or place, or says which there are', async () => {
    await using server = await start();
    const { modules } = (await server.admin('GET', '/modules')).body;
    expect((await server.admin('GET', '/modules/a%2Fb-c')).body).toEqual(modules[0]);
    expect((await server.admin('GET', '/modules/2')).body).toEqual(modules[2]);
    for (const name of ['0', '3', 'a', 'constructor']) {
      expect(await server.admin('GET', `/modules/${name}`)).toMatchObject({
        status: 404,
        body: { errcode: 'M_NOT_FOUND', error: `There is no module '${name}'; there are: a/b-c, 1, 2` },
      });
    }
    await using without = await startAdminServer();
    expect((await without.admin('GET', '/modules/0')).body.error).toContain('there are none');
  });
});

describe('POST /modules/reload', () => {
  it('row 346: replaces the modules by what the files are now, and says what else of the configuration changed', async () => {
    await using server = await startAdminServer({ modules: [{ source: QUIET }] });
    const [alice, bob] = [await server.register('alice'), await server.register('bob')];
    await bob.setPresence('online');
    expect((await alice.getPresence(bob.userId)).status).toBe(403);
    const reload = () => server.admin('POST', '/modules/reload');
    writeFileSync(
      join(server.dir, 'module-0.ts'),
      `export default class {
        constructor(config, api) {
          api.registerPresenceRouterCallbacks({ getUsersForStates: () => ({}), getInterestedUsers: () => 'ALL' });
        }
      }`,
    );
    const module = { name: '0', module: './module-0.ts', file: join(server.dir, 'module-0.ts') };
    expect(await reload()).toMatchObject({
      status: 200,
      body: { modules: [module], configuration: { reloaded: [], need_restart: [] } },
    });
    expect((await alice.getPresence(bob.userId)).status).toBe(200);

    const file = JSON.parse(readFileSync(server.configFile, 'utf8'));
    writeFileSync(
      server.configFile,
      JSON.stringify({ ...file, modules: [], log: { level: 'warn' }, public_baseurl: 'https://x.example' }),
    );
    expect((await reload()).body).toMatchObject({
      modules: [],
      configuration: { reloaded: ['log.level'], need_restart: expect.arrayContaining(['public_baseurl']) },
    });
    expect((await server.admin('GET', '/modules')).body).toEqual({ modules: [] });
    expect((await alice.getPresence(bob.userId)).status).toBe(403);
  });

  it('row 348: says everything that is wrong, and the modules before stay', async () => {
    await using server = await startAdminServer({ modules: [{ source: DISAGREES, name: 'router' }] });
    const failed = async (problem: string) => {
      const { status, body } = await server.admin('POST', '/modules/reload');
      expect([status, body.errcode, body.error]).toEqual([422, 'M_UNKNOWN', expect.stringContaining(problem)]);
      expect(body.problems[0]).toContain(problem);
      expect((await server.admin('GET', '/modules/router')).body.callbacks).toHaveLength(2);
    };
    writeFileSync(
      join(server.dir, 'module-0.ts'),
      'export default class { constructor() { throw new Error("not today"); } }',
    );
    await failed('not today');
    writeFileSync(
      join(server.dir, 'module-0.ts'),
      'export default class { static parseConfig() { throw new Error("no watchers"); } }',
    );
    await failed('modules[0].config: no watchers');
    writeFileSync(join(server.dir, 'module-0.ts'), 'this is no TypeScript');
    await failed('module-0.ts');
    const file = readFileSync(server.configFile, 'utf8');
    writeFileSync(server.configFile, file.replace('"log"', '"logg"'));
    await failed('logg: unknown key');
    writeFileSync(server.configFile, file);
    rmSync(join(server.dir, 'admin.token'));
    await failed('admin_api.token_path: the token file');
  });
});
