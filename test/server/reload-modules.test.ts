/**
 * Modules that are loaded anew while the server runs: real files, real clients, who sees whom before and after.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load-config.ts';
import { ModulesError } from '../../src/server/modules-error.ts';
import { startTestServer, type TestServer } from '../support/start-test-server.ts';
import type { TestUser } from '../support/test-client.ts';
import { until } from '../support/until.ts';

/** Modules run in this process, so this is how they tell what they saw, and wait for the test. */
const shared: { seen: string[]; open: Promise<unknown>; calls: number } = {
  seen: [],
  open: Promise.resolve(),
  calls: 0,
};
Object.assign(globalThis, { sharedWithModules: shared });
afterEach(() => {
  Object.assign(shared, { seen: [], open: Promise.resolve(), calls: 0 });
});

/** Gives each source to its targets: `{ alice: ['bob'] }`, by localpart. */
const ROUTER = `import { pairs } from './pairs.js';
const user = (name: string) => '@' + name + ':test.example';
export default class {
  constructor(_: unknown, api: any) {
    api.registerPresenceRouterCallbacks(this);
  }
  getUsersForStates(states: readonly any[]) {
    const routed = new Map<string, any[]>();
    for (const state of states)
      for (const [source, targets] of Object.entries(pairs))
        if (state.userId === user(source))
          for (const target of targets) routed.set(user(target), [...(routed.get(user(target)) ?? []), state]);
    return routed;
  }
  getInterestedUsers(userId: string) {
    return Object.entries(pairs).filter(([, targets]) => targets.some((target) => user(target) === userId)).map(([source]) => user(source));
  }
}
`;

type Pairs = Readonly<Record<string, readonly string[]>>;

const pairsFile = (pairs: Pairs): string =>
  `export const pairs: Record<string, readonly string[]> = ${JSON.stringify(pairs)};\n`;

async function startWith(pairs: Pairs): Promise<TestServer> {
  return startTestServer({
    files: { 'router.ts': ROUTER, 'pairs.ts': pairsFile(pairs) },
    modules: [{ module: './router.ts' }],
  });
}

const setPairs = (server: TestServer, pairs: Pairs): void => {
  writeFileSync(join(server.dir, 'pairs.ts'), pairsFile(pairs));
};

async function users(server: TestServer): Promise<{ alice: TestUser; bob: TestUser; carol: TestUser }> {
  const [alice, bob, carol] = await Promise.all(['alice', 'bob', 'carol'].map((name) => server.register(name)));
  if (alice === undefined || bob === undefined || carol === undefined) throw new Error('not registered');
  return { alice, bob, carol };
}

/** Polls without end; what was told about `of`, in order. */
function follow(observer: TestUser, of: TestUser, since: string) {
  const ending = new AbortController();
  const told: { presence: string; status_msg?: string }[] = [];
  const done = (async () => {
    for (let token = since; !ending.signal.aborted; ) {
      const body = await observer.sync({ since: token, timeout: 30_000, set_presence: 'offline' }, ending.signal);
      token = body.next_batch;
      for (const { sender, content } of body.presence?.events ?? []) if (sender === of.userId) told.push(content);
    }
  })().catch((error: unknown) => {
    if (!ending.signal.aborted) throw error;
  });
  return {
    told,
    states: () => told.map(({ presence }) => presence),
    end: async () => {
      ending.abort();
      await done;
    },
  };
}

describe('a reload of modules', () => {
  it('row 350: reads the module and what it imports anew: who is named gets the current state, who is not loses it', async () => {
    await using server = await startWith({ alice: ['bob'] });
    const { alice, bob, carol } = await users(server);
    await alice.setPresence('unavailable', 'at lunch');
    const { since } = await bob.waitForPresence(alice.userId, ({ presence }) => presence === 'unavailable');
    const bobs = follow(bob, alice, since);
    const carols = follow(carol, alice, (await carol.sync({ set_presence: 'offline' })).next_batch);
    setPairs(server, { alice: ['carol'] });
    const report = await server.server.reloadModules();
    expect(report.modules).toEqual([{ name: '0', module: './router.ts', file: join(server.dir, 'router.ts') }]);
    expect(server.server.moduleFiles.toSorted()).toEqual([join(server.dir, 'pairs.ts'), join(server.dir, 'router.ts')]);
    await until(() => carols.told.length > 0 && bobs.told.length > 0);
    expect(carols.told).toMatchObject([{ presence: 'unavailable', status_msg: 'at lunch' }]);
    expect(bobs.states()).toEqual(['offline']);
    expect((await carol.getPresence(alice.userId)).status).toBe(200);
    expect((await bob.getPresence(alice.userId)).status).toBe(403);
    expect(server.logger.lines).toContainEqual({
      level: 'info',
      message: 'modules reloaded',
      fields: { modules: ['./router.ts'], tookMs: expect.any(Number) },
    });

    await alice.setPresence('online');
    await until(() => carols.told.length > 1);
    expect(carols.states()).toEqual(['unavailable', 'online']);
    expect(bobs.states()).toEqual(['offline']);
    await Promise.all([bobs.end(), carols.end()]);
  });

  it.each([
    ['a syntax error', 'export default class {\n  constructor() {\n    const = 1;\n  }\n}', 'router.ts:3:'],
    [
      'a constructor that throws',
      'export default class {\n  constructor() {\n    throw new Error("no luck");\n  }\n}',
      'could not be constructed: no luck at DIR/router.ts:3',
    ],
    [
      'an error at its top',
      "\n\nthrow new Error('not today');\nexport default class {}",
      'not today at DIR/router.ts:3',
    ],
    [
      'an import of what is not there',
      "import './gone.ts';\nexport default class {}",
      "Cannot find module './gone.ts'",
    ],
    [
      'a wrong configuration',
      "export default class { static parseConfig() { throw new Error('no such floor'); } }",
      'no such floor',
    ],
    ['half a pair', 'export default { getInterestedUsers: () => [] }', 'registered without getUsersForStates'],
  ])('row 348: keeps the one that runs after %s, and says why', async (_what, source, says) => {
    await using server = await startWith({ alice: ['bob'] });
    const { alice, bob } = await users(server);
    await alice.setPresence('online');
    const { since } = await bob.waitForPresence(alice.userId, ({ presence }) => presence === 'online');
    writeFileSync(join(server.dir, 'router.ts'), source);
    const failure = await server.server.reloadModules().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ModulesError);
    expect((failure as ModulesError).message).toContain(says.replace('DIR', server.dir));
    expect(server.logger.lines).toContainEqual({
      level: 'error',
      message: 'modules were not reloaded: the ones before stay',
      fields: { problems: [expect.stringContaining(says.replace('DIR', server.dir))] },
    });
    await alice.setPresence('unavailable');
    await bob.waitForPresence(alice.userId, ({ presence }) => presence === 'unavailable', { since });
    expect(await server.metric('thalamus_module_reloads_total{outcome="failed"}')).toBe(1);

    writeFileSync(join(server.dir, 'router.ts'), ROUTER);
    await server.server.reloadModules();
    expect(await server.metric('thalamus_module_reloads_total{outcome="ok"}')).toBe(1);
  });

  it('takes over what the configuration says of modules: their configuration, another one, one less', async () => {
    const source = `export default class {
      constructor(config: { to: string }, api: any) {
        (globalThis as any).sharedWithModules.seen.push('+' + config.to);
        this.to = config.to;
        api.registerPresenceRouterCallbacks(this);
      }
      to: string;
      getUsersForStates(states: any[]) { return { [this.to]: states.filter(({ userId }) => userId === '@alice:test.example') }; }
      getInterestedUsers(userId: string) { return userId === this.to ? ['@alice:test.example'] : []; }
      [Symbol.dispose]() { (globalThis as any).sharedWithModules.seen.push('-' + this.to); }
    }`;
    const [toBob, toCarol] = ['@bob:test.example', '@carol:test.example'];
    await using server = await startTestServer({ modules: [{ source, name: 'one', config: { to: toBob } }] });
    const { alice, bob, carol } = await users(server);
    await alice.setPresence('online');
    const see = async (): Promise<number[]> =>
      Promise.all([bob, carol].map(async (observer) => (await observer.getPresence(alice.userId)).status));
    expect(await see()).toEqual([200, 403]);
    const change = async (modules: readonly unknown[]) => {
      const file = JSON.parse(readFileSync(server.configFile, 'utf8'));
      writeFileSync(server.configFile, JSON.stringify({ ...file, modules }));
      expect(server.server.reload(loadConfig(server.configFile).config).needRestart).toEqual([]);
      return server.server.reloadModules();
    };
    const module = './module-0.ts';
    await change([{ module, name: 'one', config: { to: toCarol } }]);
    expect(await see()).toEqual([403, 200]);
    const { modules } = await change([
      { module, name: 'one', config: { to: toCarol } },
      { module, name: 'two', config: { to: toBob }, module_callbacks: { timeout: 100 } },
    ]);
    expect(modules.map(({ name }) => name)).toEqual(['one', 'two']);
    expect(await see()).toEqual([200, 200]);
    await change([]);
    expect(await see()).toEqual([403, 403]);
    await until(() => shared.seen.filter((line) => line.startsWith('-')).length === 4);
    expect(shared.seen.filter((line) => line.startsWith('+'))).toHaveLength(4);
  });

  it('row 349: disposes of the old module when its slow call has ended, and asks the new one in its place', async () => {
    const slow = `export default class {
      constructor(_: unknown, api: any) { api.registerPresenceRouterCallbacks(this); }
      async getUsersForStates() {
        const shared = (globalThis as any).sharedWithModules;
        shared.calls += 1;
        await shared.open;
        shared.seen.push('answered');
        return new Map();
      }
      getInterestedUsers() { return []; }
      [Symbol.dispose]() { (globalThis as any).sharedWithModules.seen.push('disposed'); }
    }`;
    await using server = await startTestServer({
      files: { 'router.ts': slow, 'pairs.ts': pairsFile({ alice: ['bob'] }) },
      modules: [{ module: './router.ts' }],
    });
    const { alice, bob } = await users(server);
    const bobs = follow(bob, alice, (await bob.sync({ set_presence: 'offline' })).next_batch);
    let finish = (_value?: unknown): void => undefined;
    shared.open = new Promise((resolve) => {
      finish = resolve;
    });
    await alice.setPresence('online', 'while it thinks');
    await until(() => shared.calls > 0);
    writeFileSync(join(server.dir, 'router.ts'), ROUTER);
    await server.server.reloadModules();
    await until(() => bobs.told.length > 0);
    expect(bobs.told).toMatchObject([{ presence: 'online', status_msg: 'while it thinks' }]);
    expect(shared.seen).toEqual([]);
    finish();
    await until(() => shared.seen.length === shared.calls + 1);
    expect(shared.seen.at(-1)).toBe('disposed');
    await bobs.end();
  });

  it('asked for several times while one is under way, there is one more, which reads what is there by then', async () => {
    const source = (name: string): string => `
      const shared = (globalThis as any).sharedWithModules;
      export default async () => { shared.seen.push(${JSON.stringify(name)}); await shared.open; return { [Symbol.dispose]() {} }; };`;
    await using server = await startTestServer({ modules: [{ source: source('first') }] });
    let finish = (_value?: unknown): void => undefined;
    shared.open = new Promise((resolve) => {
      finish = resolve;
    });
    const write = (name: string): void => writeFileSync(join(server.dir, 'module-0.ts'), source(name));
    write('second');
    const reloads = [server.server.reloadModules()];
    await until(() => shared.seen.includes('second'));
    write('third');
    reloads.push(server.server.reloadModules(), server.server.reloadModules());
    write('fourth');
    reloads.push(server.server.reloadModules());
    finish();
    await Promise.all(reloads);
    expect(shared.seen).toEqual(['first', 'second', 'fourth']);
  });

  it('row 351: under load loses nothing and sends nothing twice', async () => {
    await using server = await startWith({ alice: ['bob'], bob: ['alice'] });
    const { alice, bob, carol } = await users(server);
    await carol.setPresence('online');
    const bobs = follow(bob, alice, (await bob.sync({ set_presence: 'offline' })).next_batch);
    const progress = { reloads: 0, isOver: false };
    const reloading = (async () => {
      while (!progress.isOver) {
        // Bob is always among them; who else is, changes.
        setPairs(
          server,
          progress.reloads % 2 === 0 ? { alice: ['bob', 'carol'] } : { alice: ['bob'], carol: ['alice'] },
        );
        await server.server.reloadModules();
        progress.reloads += 1;
      }
    })();
    const updates = 100;
    for (let update = 0; update < updates || progress.reloads < 30; update += 1) {
      await alice.setPresence('online', `status ${update}`);
      await until(() => bobs.told.at(-1)?.status_msg === `status ${update}`);
    }
    progress.isOver = true;
    await reloading;
    await bobs.end();
    const messages = bobs.told.map(({ status_msg }) => status_msg);
    expect(messages).toEqual(Array.from(messages, (_, update) => `status ${update}`));
    expect(new Set(bobs.states())).toEqual(new Set(['online']));
  });

  it('is refused by a server that does not run, and does not outlive a stop', async () => {
    const source = `const shared = (globalThis as any).sharedWithModules;
      export default async () => { await shared.open; return { [Symbol.dispose]: () => shared.seen.push('disposed') }; };`;
    const server = await startTestServer({ modules: [{ source }] });
    let finish = (_value?: unknown): void => undefined;
    shared.open = new Promise((resolve) => {
      finish = resolve;
    });
    const reload = server.server.reloadModules().catch((error: unknown) => error);
    const { server: running } = server;
    const stopped = server.stop();
    await until(() => shared.seen.includes('disposed'));
    finish();
    await stopped;
    expect(await reload).toBeInstanceOf(ModulesError);
    await expect(running.reloadModules()).rejects.toThrow('the server is not running');
    rmSync(server.dir, { recursive: true, force: true });
  });
});
