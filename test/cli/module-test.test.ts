/**
 * `thalamus module test`: scenarios that pass, fail, are wrong, and are written.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runHere } from '../support/run-here.ts';
import { runProgram, startProgram } from '../support/spawn-server.ts';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'thalamus-module-test-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const write = (name: string, text: string): string => {
  writeFileSync(join(dir, name), text);
  return text;
};
const tryModule = (...args: string[]) => runHere(['module', 'test', ...args], dir);

/** Shows everybody in \`shown\` to everybody who is connected; has a type that only TypeScript knows, and an import. */
const MODULE = `
import type { ModuleApi, UserId, UserPresenceState } from 'thalamus/module';
import { isShown } from './shown.ts';
interface Config { readonly shown: readonly UserId[]; readonly viewer: UserId }
export class Router {
  readonly #config: Config;
  constructor(config: Config, api: ModuleApi) {
    this.#config = config;
    api.registerPresenceRouterCallbacks(this);
  }
  static parseConfig(config: { shown?: unknown; viewer: UserId }): Config {
    if (!Array.isArray(config.shown)) throw Object.assign(new Error('must be a list'), { name: 'ConfigError', path: ['shown'] });
    return config as Config;
  }
  getUsersForStates(updates: readonly UserPresenceState[]) {
    return new Map([[this.#config.viewer, updates.filter(({ userId }) => isShown(this.#config.shown, userId))]]);
  }
  getInterestedUsers(userId: UserId) {
    return userId === this.#config.viewer ? this.#config.shown : [];
  }
  hush(): void {
    throw new Error('not yet');
  }
}
export const other = 1;
`;
const HELPER = 'export const isShown = (list: readonly string[], id: string): boolean => list.includes(id);\n';

const SCENARIO = `# Who may see the duty officer.
server_name: example.org
config:
  shown: ["@duty:example.org", "@duty:partner.example"]
  viewer: "@wall:example.org"
connected: "@wall:example.org"
steps:
  # In the morning:
  - set_presence: { user: "@duty:example.org", state: online, status_msg: hello } # on time
    expect:
      gets:
        "@wall:example.org":
          - { user: "@duty:example.org", state: online, status_msg: hello }
      sees:
        - ["@wall:example.org", "@duty:example.org", yes]
        - ["@wall:example.org", "@duty:example.org", { state: online, status_msg: hello }]
        - ["@wall:example.org", "@nobody:example.org", no]
  - receive:
      from: partner.example
      users:
        - { user: "@duty:partner.example", state: unavailable }
    expect:
      gets:
        "@wall:example.org": [{ user: "@duty:partner.example", state: unavailable }]
  - set_presence: { user: "@nobody:example.org", state: online }
    expect: nothing
  - get: { observer: "@wall:example.org", target: "@duty:example.org" }
    expect:
      answer: online
`;

const writeAll = (): void => {
  write('router.ts', MODULE);
  write('shown.ts', HELPER);
  write('router.scenario.yaml', SCENARIO);
};

describe('thalamus module test', () => {
  // Those of the other examples are tried in example-scenarios.test.ts.
  it('row 341: is a program that passes the scenario of the example groups', async () => {
    const result = await runProgram(['module', 'test', 'examples/groups/groups.ts']);
    expect(result).toMatchObject({ exitCode: 0, stderr: '' });
    expect(result.stdout).toContain('all as expected');
  });

  it('takes the scenario beside the module, which imports other TypeScript, and says that all is as expected', async () => {
    writeAll();
    expect(await tryModule('./router.ts#Router')).toEqual({
      exitCode: 0,
      signal: null,
      stdout: 'router.scenario.yaml: 4 steps, all as expected\n',
      stderr: '',
    });
  });

  it('row 341: says what is missing, unexpected and different, with the line: exit code 1', async () => {
    writeAll();
    write(
      'router.scenario.yaml',
      SCENARIO.replace('state: online, status_msg: hello }\n      sees', 'state: online, status_msg: bye }\n      sees')
        .replace(
          '    expect: nothing',
          '    expect:\n      gets: { "@wall:example.org": [{ user: "@nobody:example.org", state: online }] }',
        )
        .replace(/ {4}expect:\n {6}gets:\n {8}"@wall:example.org": \[\{.*\n/, '    expect: nothing\n')
        .replace('yes]', 'no]'),
    );
    const { exitCode, stdout } = await tryModule('router.ts#Router');
    expect(exitCode).toBe(1);
    expect(stdout).toBe(`router.scenario.yaml: not as expected
  line 9, step 1: @duty:example.org becomes online "hello"
      different   @wall:example.org gets @duty:example.org online "hello"; expected: "bye"
      different   @wall:example.org sees of @duty:example.org: online "hello"; expected: nothing
  line 18, step 2: partner.example says: @duty:partner.example is unavailable
      unexpected  @wall:example.org gets @duty:partner.example unavailable
  line 23, step 3: @nobody:example.org becomes online
      missing     @wall:example.org gets @nobody:example.org online
`);
    const json = JSON.parse((await tryModule('router.ts#Router', '--json')).stdout);
    expect(json.scenarios[0]).toMatchObject({
      passed: false,
      steps: [{ mismatches: [{ kind: 'different' }, { kind: 'sight' }] }, {}, {}, {}],
    });
  });

  it('writes what happened into the file, where it is not as expected, and leaves everything else as it is', async () => {
    writeAll();
    const wrong = SCENARIO.replace('status_msg: hello }\n      sees', 'status_msg: bye }\n      sees').replace(
      'answer: online',
      'answer: no',
    );
    write('router.scenario.yaml', wrong);
    const result = await tryModule('router.ts#Router', '--update');
    expect(result.stdout).toBe(
      'router.scenario.yaml: what happened is now what is expected\nrouter.scenario.yaml: 4 steps, all as expected\n',
    );
    const updated = readFileSync(join(dir, 'router.scenario.yaml'), 'utf8');
    expect(updated).toContain('# on time\n');
    expect(updated.replace('answer: { state: online, status_msg: hello }', 'answer: online')).toBe(SCENARIO);
    expect(await tryModule('router.ts#Router', '--update')).toMatchObject({ exitCode: 0 });
    expect(readFileSync(join(dir, 'router.scenario.yaml'), 'utf8')).toBe(updated);
  });

  it('row 341: prints who would get what without expectations, and writes them when asked to', async () => {
    writeAll();
    const bare =
      'connected: ["@wall:example.org"]\nsteps:\n  - set_presence: { user: "@duty:example.org", state: online }\n  - advance: 1m\n';
    write('bare.yaml', bare);
    const config = '{"shown": ["@duty:example.org"], "viewer": "@wall:example.org"}';
    const args = ['router.ts#Router', '--config', config, '--scenario', 'bare.yaml'];
    const { exitCode, stdout } = await tryModule(...args);
    expect(exitCode).toBe(0);
    expect(stdout).toBe(`bare.yaml: 2 steps
  1: @duty:example.org becomes online
      @wall:example.org gets @duty:example.org online
  2: 1m pass
      @wall:example.org gets @duty:example.org online (not currently active)
`);
    await tryModule(...args, '--update');
    expect(readFileSync(join(dir, 'bare.yaml'), 'utf8')).toBe(`connected: ["@wall:example.org"]
steps:
  - set_presence: { user: "@duty:example.org", state: online }
    expect:
      gets:
        "@wall:example.org":
          - { user: "@duty:example.org", state: online }
  - advance: 1m
    expect:
      gets:
        "@wall:example.org":
          - { user: "@duty:example.org", state: online, currently_active: false }
`);
    expect((await tryModule(...args)).stdout).toBe('bare.yaml: 2 steps, all as expected\n');
  });

  it('shows everything that is wrong with a scenario, with the lines: exit code 2', async () => {
    writeAll();
    write(
      'router.scenario.yaml',
      `conected: ["@wall:example.org"]
steps:
  - set_presense: { user: "@duty:example.org", state: online }
  - set_presence: { user: duty, state: onlin }
  - advance: 1m
    connect: "@a:example.org"
  - {}
`,
    );
    const { exitCode, stderr } = await tryModule('router.ts#Router');
    expect(exitCode).toBe(2);
    expect(stderr.split('\n')).toEqual([
      'router.scenario.yaml:1:1: conected: unknown key; the nearest known key is "connected"',
      'router.scenario.yaml:3:5: steps[0].set_presense: unknown key; the nearest known key is "set_presence"',
      'router.scenario.yaml:4:27: steps[1].set_presence.user: must be a user id, such as "@alice:example.org", not "duty"',
      'router.scenario.yaml:4:40: steps[1].set_presence.state: must be one of: offline, unavailable, online, org.matrix.msc3026.busy, not "onlin"',
      'router.scenario.yaml:6:5: steps[2].connect: one step does one thing: "advance" and "connect" are two steps',
      expect.stringMatching(/^router\.scenario\.yaml:7:5: steps\[3\]: must have one of: set_presence, join, /),
      '',
    ]);
    write(
      'router.scenario.yaml',
      'connected: "@a:elsewhere"\nsteps:\n  - receive: { from: one.example, users: [{ user: "@a:two.example", state: online }] }\n',
    );
    const cross = await tryModule('router.ts#Router');
    expect(cross.exitCode).toBe(2);
    expect(cross.stderr).toContain('1:12: connected: @a:elsewhere is not a user of example.org');
    expect(cross.stderr).toContain('@a:two.example is not a user of one.example, which speaks for its own only');
  });

  it('shows a module’s complaint about its configuration where it stands: exit code 2', async () => {
    writeAll();
    write('router.scenario.yaml', SCENARIO.replace(/shown: .*/, 'shown: nobody'));
    const inScenario = await tryModule('router.ts#Router');
    expect(inScenario).toMatchObject({
      exitCode: 2,
      stderr: 'router.scenario.yaml:4:10: config.shown: must be a list\n',
    });
    const given = await tryModule('router.ts#Router', '--config', '{}');
    expect(given).toMatchObject({ exitCode: 2, stderr: 'config.shown: must be a list\n' });
    const broken = await tryModule('router.ts#Router', '--config', '{a: [');
    expect(broken.exitCode).toBe(2);
    expect(broken.stderr).toMatch(/^--config:1:/);
  });

  it('says why a module would not load: exit code 3', async () => {
    writeAll();
    const none = await tryModule('./none.ts', '--scenario', 'router.scenario.yaml');
    expect(none).toMatchObject({ exitCode: 3, stdout: '' });
    expect(none.stderr).toContain('there is no file');
    const several = await tryModule('./router.ts#Rooter');
    expect(several.exitCode).toBe(3);
    expect(several.stderr).toContain('has no export "Rooter"; it exports Router, other');
    write('broken.ts', 'export default class { constructor() { throw new Error("no luck"); } }');
    const thrown = await tryModule('broken.ts', '--scenario', 'router.scenario.yaml');
    expect(thrown.exitCode).toBe(3);
    expect(thrown.stderr).toContain('no luck');
  });

  it('names what the host complained about: exit code 1, unless the scenario allows it', async () => {
    write(
      'broken.ts',
      'export default { getUsersForStates() { throw new Error("no such table"); }, getInterestedUsers: () => ["bob"] };',
    );
    const scenario =
      'rooms: { "!r:example.org": ["@a:example.org", "@b:example.org"] }\nsteps:\n  - set_presence: { user: "@a:example.org", state: online }\n';
    write('broken.scenario.yaml', scenario);
    const { exitCode, stdout } = await tryModule('broken.ts');
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/threw: no such table at .*broken\.ts:1\n/);
    expect(stdout).toContain('callback getInterestedUsers, reason user_id, value "bob"');
    expect(stdout).toContain('@b:example.org gets @a:example.org online');
    write('broken.scenario.yaml', `problems: allowed\n${scenario}`);
    expect(await tryModule('broken.ts')).toMatchObject({ exitCode: 0 });
  });

  const ROOM = 'rooms: { "!r:example.org": ["@a:example.org", "@b:example.org"] }\n';

  it('waits for callbacks that ask the outside world: what they bring belongs to the step that asked', async () => {
    write('names.json', '["@wall:example.org"]');
    write(
      'reads.ts',
      `import { readFile } from 'node:fs/promises';
      const read = async () => JSON.parse(await readFile(new URL('names.json', import.meta.url), 'utf8'));
      export default {
        getUsersForStates: async (states) => new Map((await read()).map((name) => [name, states])),
        getInterestedUsers: async (user) => ((await read()).includes(user) ? ['@a:example.org'] : []),
        getRestrictions: async () => (await read(), { hide: ['status_msg'] }),
      };`,
    );
    write(
      'reads.scenario.yaml',
      `connected: "@wall:example.org"
steps:
  - set_presence: { user: "@a:example.org", state: online, status_msg: secret }
    expect:
      gets: { "@wall:example.org": [{ user: "@a:example.org", state: online, status_msg: null }] }
  - get: { observer: "@wall:example.org", target: "@a:example.org" }
    expect: { gets: {}, answer: { state: online, status_msg: null } }
`,
    );
    expect(await tryModule('reads.ts')).toMatchObject({
      exitCode: 0,
      stdout: 'reads.scenario.yaml: 2 steps, all as expected\n',
    });
  });

  it.each(['getRestrictions', 'getUsersForStates', 'getInterestedUsers'])(
    'names %s that never answers, and comes to an end: exit code 1',
    async (callback) => {
      const others =
        callback === 'getRestrictions' ? '' : '{ getUsersForStates: () => new Map(), getInterestedUsers: () => [] }';
      write('hangs.ts', `export default { ...${others || '{}'}, ${callback}: () => new Promise(() => {}) };`);
      write(
        'hangs.scenario.yaml',
        `${ROOM}steps:
  - set_presence: { user: "@a:example.org", state: online }
  - get: { observer: "@b:example.org", target: "@a:example.org" }
`,
      );
      const { exitCode, stdout } = await tryModule('hangs.ts');
      expect(stdout).toContain(`${callback} of module 0 (`);
      expect(stdout).toContain('timed_out: no answer after 2000 ms');
      expect(exitCode).toBe(1);
    },
    40_000,
  );

  it('starts the clock where the scenario says', async () => {
    write(
      'late.ts',
      `export default class {
        constructor(_, api) {
          const isLate = () => new Date(api.getCurrentTimeMsec()).getUTCHours() >= 18;
          api.registerPresenceRouterCallbacks({
            getRestrictions: (source) => (source === '@a:example.org' && isLate() ? new Map([['@b:example.org', 'offline']]) : null),
          });
          api.loopingBackgroundCall(() => api.invalidateRestrictions(['@a:example.org']), 60_000, { desc: 'look at the clock' });
        }
      }`,
    );
    write(
      'late.scenario.yaml',
      `start: 2026-01-05T17:57:30Z
${ROOM}steps:
  - set_presence: { user: "@a:example.org", state: online }
    expect: { gets: { "@b:example.org": [{ user: "@a:example.org", state: online }] } }
  - advance: 2m
    expect: { sees: [["@b:example.org", "@a:example.org", online]] }
  - advance: 1m
    expect: { gets: { "@b:example.org": [{ user: "@a:example.org", state: offline }] } }
`,
    );
    expect((await tryModule('late.ts')).stdout).toBe('late.scenario.yaml: 3 steps, all as expected\n');
    write('late.scenario.yaml', 'start: 18 h\nsteps: []\n');
    expect((await tryModule('late.ts')).stderr).toContain(
      'late.scenario.yaml:1:8: start: must be a date and time, such as',
    );
  });

  it('calls the module’s own methods, and says when they throw or are not there', async () => {
    writeAll();
    write(
      'router.scenario.yaml',
      `${SCENARIO}  - call: { method: hush }\n  - call: { method: hash, arguments: [1] }\n`,
    );
    const { exitCode, stdout } = await tryModule('router.ts#Router');
    expect(exitCode).toBe(1);
    expect(stdout).toContain('hush() of the module is called\n      problem     it threw: not yet');
    expect(stdout).toContain('hash(1) of the module is called\n      problem     the module has no method hash');
  });

  it('lists pairs that only one of the two callbacks named', async () => {
    write(
      'half.ts',
      'export default { getUsersForStates: (states) => new Map([["@wall:example.org", states]]), getInterestedUsers: () => [] };',
    );
    write(
      'half.scenario.yaml',
      'connected: "@wall:example.org"\nsteps:\n  - set_presence: { user: "@a:example.org", state: online }\n',
    );
    const { exitCode, stdout } = await tryModule('half.ts');
    expect(exitCode).toBe(1);
    expect(stdout).toContain(
      '  note: the callbacks of module 0 disagree: getUsersForStates has @wall:example.org see @a:example.org, getInterestedUsers does not\n',
    );
  });

  it('shows reduced and withheld presence', async () => {
    write(
      'shy.ts',
      `export default class {
        constructor(_, api) { api.registerPresenceRouterCallbacks(this); }
        getRestrictions(source) {
          return source === '@a:example.org' ? new Map([['@b:example.org', { hide: ['status_msg'] }], ['island', 'deny']]) : null;
        }
      }`,
    );
    write(
      'shy.scenario.yaml',
      `rooms: { "!r:example.org": ["@a:example.org", "@b:example.org", "@c:example.org", "@d:island"] }
steps:
  - set_presence: { user: "@a:example.org", state: online, status_msg: secret }
    expect:
      gets:
        "@b:example.org": [{ user: "@a:example.org", state: online, status_msg: null }]
        "@c:example.org": [{ user: "@a:example.org", state: online, status_msg: secret }]
`,
    );
    const result = await tryModule('shy.ts');
    expect(result.stdout).toBe('shy.scenario.yaml: 1 step, all as expected\n');
  });

  it('tries all modules of a configuration together, on several scenarios', async () => {
    writeAll();
    write(
      'thalamus.yaml',
      `server_name: example.org
modules:
  - module: "./router.ts#Router"
    config: { shown: ["@duty:example.org"], viewer: "@wall:example.org" }
  - module: "./router.ts#Router"
    config: { shown: ["@duty:example.org"], viewer: "@door:example.org" }
`,
    );
    const scenario = (expected: string): string => `connected: ["@wall:example.org", "@door:example.org"]
steps:
  - set_presence: { user: "@duty:example.org", state: online }
    expect: ${expected}
`;
    const both =
      '{ gets: { "@wall:example.org": [{ user: "@duty:example.org" }], "@door:example.org": [{ user: "@duty:example.org" }] } }';
    write('one.yaml', scenario(both));
    write('two.yaml', scenario('nothing'));
    const { exitCode, stdout } = await tryModule('-c', 'thalamus.yaml', '--scenario', 'one.yaml', 'two.yaml');
    expect(exitCode).toBe(1);
    expect(stdout).toContain('one.yaml: 1 step, all as expected\ntwo.yaml: not as expected\n');
  });

  it('runs again when a file changes', async () => {
    writeAll();
    const program = startProgram(['module', 'test', 'router.ts#Router', '--watch'], { cwd: dir });
    await program.waitFor(/all as expected\n[\s\S]*watching/);
    write('shown.ts', HELPER.replace('list.includes(id)', '!list.includes(id)'));
    await program.waitFor(/not as expected\n[\s\S]*watching/);
    program.child.kill('SIGINT');
    expect(await program.ended).toMatchObject({ exitCode: 0 });
  }, 40_000);

  it('does not take another file for a record of traffic: exit code 2', async () => {
    writeAll();
    const result = await tryModule(
      'router.ts#Router',
      '--config',
      '{ shown: [], viewer: "@a:b" }',
      '--against',
      'shown.ts',
    );
    expect(result).toMatchObject({
      exitCode: 2,
      stdout: '',
      stderr: 'shown.ts is no record of traffic: there is nothing in it that could be read\n',
    });
  });

  it.each([
    [[], 'name the file of a module, or a configuration with -c'],
    [['x.ts', '-c', 'y.yaml'], 'not both'],
    [['./none.ts'], 'there is no none.scenario.yaml'],
    [['./none.ts', '--against', 'none.ndjson'], 'there is no none.ndjson'],
    [['./none.ts', '--against', '.'], '.: this is no file'],
    [['./none.ts', '--scenario', '.'], 'this is a folder, not a file'],
    [['./none.ts', '--scenario', 'gone.yaml'], 'gone.yaml: there is no such file'],
    [['./none.ts', '--scenario', 'gone.yaml', '--config', '@.'], '.: this is a folder, not a file'],
    [['./none.ts', '--against', 'none.ndjson', '--update'], '--against goes with neither'],
  ])('says what is wrong with the command line %j: exit code 2', async (args, message) => {
    const { exitCode, stderr } = await tryModule(...args);
    expect({ exitCode, stderr }).toEqual({ exitCode: 2, stderr: expect.stringContaining(message) });
  });
});
