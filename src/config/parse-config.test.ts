import { describe, expect, it } from 'vitest';
import { createAuthority } from '../../test/support/certificates.ts';
import type { Environment } from './build-admin-api.ts';
import type { Config } from './config.ts';
import { parseConfig } from './parse-config.ts';
import { ConfigFileError, formatProblem } from './problems.ts';

const FILE = '/etc/thalamus/thalamus.yaml';

function parse(text: string, files: Record<string, string> = {}, environment: Environment = {}) {
  const readText = (path: string): string => {
    const content = files[path];
    if (content === undefined) throw new Error(`ENOENT: no such file or directory, open '${path}'`);
    return content;
  };
  return parseConfig(text, { file: FILE, fileName: 'thalamus.yaml', readText, environment });
}

function problemsOf(text: string, environment: Environment = {}): string[] {
  try {
    parse(text, {}, environment);
  } catch (error) {
    if (error instanceof ConfigFileError) return error.message.split('\n');
    throw error;
  }
  return [];
}

function warningsOf(text: string): string[] {
  return parse(text).warnings.map((problem) => formatProblem('thalamus.yaml', problem));
}

const presenceOf = (text: string): Config['presence'] => parse(`server_name: a.org\n${text}`).config.presence;

describe('parseConfig', () => {
  it('needs nothing but a server name, and fills in every default', () => {
    const { config, warnings } = parse('server_name: example.org');
    expect(warnings).toEqual([]);
    expect(config).toMatchObject({
      file: FILE,
      dir: '/etc/thalamus',
      serverName: 'example.org',
      publicBaseurl: 'https://example.org/',
      listeners: [
        {
          port: 8008,
          bindAddresses: ['127.0.0.1'],
          tls: false,
          xForwarded: false,
          resources: ['client', 'health', 'metrics'],
        },
      ],
      database: { path: '/etc/thalamus/data/thalamus.db', busyTimeoutMs: 1000, maxPageCount: null },
      presence: {
        mode: 'tracked',
        includeOfflineUsersOnSync: false,
        tellOfflineOnLoss: true,
        lastActiveGranularityMs: 60_000,
        syncOnlineTimeoutMs: 30_000,
        idleTimeoutMs: 300_000,
        maxStatusMsgBytes: 65_536,
      },
      modules: [],
      registration: { enabled: false, sharedSecret: null },
      rateLimits: {
        presencePerUser: { perSecond: 0.1, burstCount: 1 },
        loginAddress: { perSecond: 0.003, burstCount: 5 },
        loginAccount: { perSecond: 0.003, burstCount: 5 },
        loginFailedAttempts: { perSecond: 0.17, burstCount: 3 },
        registration: { perSecond: 0.17, burstCount: 3 },
      },
      maxRequestSize: 1024 * 1024,
      log: { level: 'info', format: 'auto' },
    });
  });

  it('reports all problems at once, with line, column, path, what is wrong and how it should look', () => {
    const text = [
      'server_name: "not a name"',
      'presense:',
      '  enabled: true',
      'presence:',
      '  enabled: sometimes',
      '  idle_timout: 5m',
      '  sync_online_timeout: soon',
      'listeners:',
      '  - port: "8008"',
      '    resources:',
      '      - names: [client, clients]',
      'max_request_size: 50X',
      'rc_presence:',
      '  per_user: {per_second: 0}',
      'log:',
      '  level: loud',
    ].join('\n');
    expect(problemsOf(text)).toEqual([
      'thalamus.yaml:1:14: server_name: must be a server name, such as "example.org": the part of user ids after the colon, not "not a name"',
      'thalamus.yaml:2:1: presense: unknown key; the nearest known key is "presence"',
      'thalamus.yaml:5:12: presence.enabled: must be true, false or "untracked", not "sometimes"',
      'thalamus.yaml:6:3: presence.idle_timout: unknown key; the nearest known key is "idle_timeout"',
      'thalamus.yaml:7:24: presence.sync_online_timeout: must be a duration greater than 0: a number with s, m, h, d, w or y (such as "30s"), or milliseconds, not "soon"',
      'thalamus.yaml:9:11: listeners[0].port: must be a whole number from 0 to 65535, not "8008"',
      'thalamus.yaml:11:25: listeners[0].resources[0].names[1]: must be one of: client, federation, metrics, health, admin, consent, keys, media, openid, replication, static, webclient, not "clients"',
      'thalamus.yaml:12:19: max_request_size: must be a size: a number of bytes, or a number with K, M, G or T (such as "50M"), not "50X"',
      'thalamus.yaml:14:26: rc_presence.per_user.per_second: must be a number greater than 0, not 0',
      'thalamus.yaml:16:10: log.level: must be one of: debug, info, warn, error, not "loud"',
    ]);
  });

  it('lists the known keys of a small section when none is near', () => {
    expect(problemsOf('server_name: a.org\nlog:\n  zebra: 1')).toEqual([
      'thalamus.yaml:3:3: log.zebra: unknown key; known keys here: level, format',
    ]);
  });

  it('says what is missing', () => {
    expect(problemsOf('modules:\n  - config: {}')).toEqual([
      'thalamus.yaml:1:1: server_name: is missing; it must be a server name, such as "example.org": the part of user ids after the colon',
      'thalamus.yaml:2:5: modules[0].module: is missing; it must be a text such as "./my-router.ts", "./my-router.ts#ExportName" or "package#ExportName"',
    ]);
  });

  it.each([
    ['', '1:1: the file is empty; it must at least say server_name'],
    ['# nothing\n', '1:1: the file is empty; it must at least say server_name'],
    ['- a\n', '1:1: the file must be a section: lines of "key: value", such as "server_name: example.org"'],
    ['hello', '1:1: the file must be a section: lines of "key: value", such as "server_name: example.org"'],
    ['server_name: a.org\nserver_name: b.org', '2:1: server_name stands twice in the same section; keep one of them'],
    ['presence:\n\tenabled: true', '2:1: a tab is used to indent; YAML wants spaces'],
    [
      'server_name: a.org\n---\nserver_name: b.org',
      '2:1: a second document starts here ("---"); the configuration is one document',
    ],
    ['server_name: a.org\nlog: &x {a: *x}', '1:1: sections and lists are nested too deeply'],
    ['server_name: a.org\n__proto__: {log: 1}', '2:1: __proto__: unknown key'],
    ['server_name: a.org\nlog: *gone', '2:6: *gone stands for something named &gone before it, and there is none'],
    [
      'server_name: a.org\nadmins: [@a:a.org]',
      '2:10: not valid YAML: what begins with @ needs quotes: "@alice:example.org"',
    ],
    ['server_name: "a.org', '1:14: not valid YAML: Missing closing "quote'],
    ["server_name: 'a'\nlog:\n  level: 'info\nlimits: {}\n", "3:10: not valid YAML: Missing closing 'quote"],
  ])('explains text that is no configuration: %j', (text, message) => {
    expect(problemsOf(text)).toEqual([`thalamus.yaml:${message}`]);
  });

  it('reports a key that stands twice together with the other problems', () => {
    const text = 'server_name: a.org\nlog: {level: info}\nlog: {level: 3}\nlimit: {}';
    expect(problemsOf(text)).toEqual([
      'thalamus.yaml:3:1: log stands twice in the same section; keep one of them',
      'thalamus.yaml:3:14: log.level: must be one of: debug, info, warn, error, not 3',
      'thalamus.yaml:4:1: limit: unknown key; the nearest known key is "limits"',
    ]);
  });

  it('reads JSON, merge keys and anchors', () => {
    expect(parse('{"server_name": "a.org", "presence": {"enabled": "untracked"}}').config.presence.mode).toBe(
      'untracked',
    );
    const { config } = parse(
      'server_name: a.org\nrc_login:\n  address: &slow {per_second: 3, burst_count: 4}\n  account: {<<: *slow, burst_count: 9}',
    );
    expect(config.rateLimits.loginAccount).toEqual({ perSecond: 3, burstCount: 9 });
  });

  it('treats a key without a value as absent', () => {
    expect(parse('server_name: a.org\npresence:\nmodules:\n').config.presence.mode).toBe('tracked');
  });

  it('never shows a secret', () => {
    const [problem = ''] = problemsOf('server_name: a.org\nregistration_shared_secret: [hunter2]');
    expect(problem).toContain('registration_shared_secret: must be a text');
    expect(problem).not.toContain('hunter2');
    expect(problemsOf('server_name: a.org\nregistration_shared_secret: 123456').join()).not.toContain('123456');
  });

  it('freezes the result through and through', () => {
    const { config } = parse('server_name: a.org\nmodules: [{module: ./a.ts, config: {watched: {deep: []}}}]');
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen(config.presence)).toBe(true);
    const own = config.modules[0]!.config as { watched: { deep: [] } };
    expect(Object.isFrozen(own.watched.deep)).toBe(true);
  });

  it('finds the place of a value that is looked at later', () => {
    const loaded = parse(
      'server_name: a.org\nmodules:\n  - module: ./a.ts\n    config:\n      watched:\n        - 17\n',
    );
    expect(loaded.locate(['modules', 0, 'config', 'watched', 0])).toEqual({ line: 6, column: 11 });
    expect(loaded.locate(['modules', 0, 'config', 'gone', 'further'])).toEqual({ line: 4, column: 5 });
  });
});

describe('presence', () => {
  it.each([
    ['last_active_granularity: 0', 'last_active_granularity'],
    ['last_active_granularity: -5s', 'last_active_granularity'],
    ['last_active_granularity: -1', 'last_active_granularity'],
    ['sync_online_timeout: 0', 'sync_online_timeout'],
    ['sync_online_timeout: 0s', 'sync_online_timeout'],
  ])('row 246: refuses %s', (line, key) => {
    const problems = problemsOf(`server_name: a.org\npresence:\n  ${line}`);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(`presence.${key}: must be a duration greater than 0`);
  });

  it('row 247: refuses an idle timeout that is not greater than the granularity', () => {
    const message = (idle: number, granularity: number): string =>
      `idle_timeout (${idle} ms) must be greater than last_active_granularity (${granularity} ms)`;
    expect(problemsOf('server_name: a.org\npresence:\n  idle_timeout: 2m\n  last_active_granularity: 2m')).toEqual([
      `thalamus.yaml:3:17: presence.idle_timeout: ${message(120_000, 120_000)}`,
    ]);
    expect(problemsOf('server_name: a.org\npresence:\n  last_active_granularity: 5m')).toEqual([
      `thalamus.yaml:3:28: presence.last_active_granularity: ${message(300_000, 300_000)}`,
    ]);
    expect(problemsOf('server_name: a.org\npresence: {idle_timeout: 60s}\nlog: {level: 1}')).toHaveLength(2);
    expect(presenceOf('presence: {idle_timeout: 60001}').idleTimeoutMs).toBe(60_001);
  });

  it('row 249: use_presence decides while presence.enabled is absent or null', () => {
    expect(presenceOf('presence: {enabled: null}\nuse_presence: false').mode).toBe('disabled');
    expect(presenceOf('presence:\nuse_presence: false').mode).toBe('disabled');
    expect(presenceOf('use_presence: false').mode).toBe('disabled');
    expect(presenceOf('use_presence: true').mode).toBe('tracked');
  });

  it('row 250: presence.enabled wins over use_presence', () => {
    expect(presenceOf('presence: {enabled: true}\nuse_presence: false').mode).toBe('tracked');
    expect(presenceOf('presence: {enabled: false}\nuse_presence: true').mode).toBe('disabled');
    expect(presenceOf('presence: {enabled: untracked}\nuse_presence: false').mode).toBe('untracked');
  });

  it('reads durations as milliseconds or with a unit, and the four other spellings of true and false', () => {
    expect(
      presenceOf('presence: {idle_timeout: 90000, sync_online_timeout: "12000", last_active_granularity: 1m}'),
    ).toMatchObject({
      idleTimeoutMs: 90_000,
      syncOnlineTimeoutMs: 12_000,
      lastActiveGranularityMs: 60_000,
    });
    expect(presenceOf('presence: {enabled: no}').mode).toBe('disabled');
    expect(presenceOf('presence: {include_offline_users_on_sync: Yes}').includeOfflineUsersOnSync).toBe(true);
    expect(presenceOf('presence: {tell_offline_on_loss: no}').tellOfflineOnLoss).toBe(false);
  });

  it('warns of a grace that rate-limited syncs cannot keep up with', () => {
    expect(warningsOf('server_name: a.org\npresence: {sync_online_timeout: 10s}')).toEqual([
      'thalamus.yaml:2:33: presence.sync_online_timeout: is not longer than the interval that rc_presence.per_user allows, so users may seem to come and go',
    ]);
  });

  it('warns of an excluded room that is none', () => {
    const text = 'server_name: a.org\nexclude_rooms_from_presence: ["!a:b.org", "#a:b.org"]';
    expect(parse(text).config.presence.excludedRooms).toEqual(['!a:b.org']);
    expect(warningsOf(text)).toEqual([
      'thalamus.yaml:2:43: exclude_rooms_from_presence[1]: is not a room id (those start with "!"), so it excludes nothing',
    ]);
  });
});

describe('modules', () => {
  it('row 117: refuses an entry that is a text, naming modules[0]', () => {
    expect(problemsOf('server_name: a.org\nmodules: ["./a.ts"]')).toEqual([
      'thalamus.yaml:2:11: modules[0]: must be a section: indented lines of "key: value", not "./a.ts"',
    ]);
  });

  it('row 118: refuses a module that is a number, naming modules[0].module', () => {
    expect(problemsOf('server_name: a.org\nmodules: [{module: 7}]')).toEqual([
      'thalamus.yaml:2:20: modules[0].module: must be a text such as "./my-router.ts", "./my-router.ts#ExportName" or "package#ExportName", not 7',
    ]);
  });

  it.each(['', ', config:', ', config: null', ', config: false', ', config: {}'])(
    'row 121: gives an empty section for {module: ./a.ts%s}',
    (config) => {
      expect(parse(`server_name: a.org\nmodules: [{module: ./a.ts${config}}]`).config.modules[0]?.config).toEqual({});
    },
  );

  it('refuses a configuration that is no section, and a name that is no word', () => {
    expect(problemsOf('server_name: a.org\nmodules: [{module: ./a.ts, config: [1], name: "two words"}]')).toEqual([
      'thalamus.yaml:2:36: modules[0].config: must be a section: indented lines of "key: value", not a list',
      'thalamus.yaml:2:47: modules[0].name: must be a word of at most 100 letters, digits and _ . : / @ -, not "two words"',
    ]);
  });

  it("keeps a module's own configuration as it is: empty keys, unknown keys, keys of the reference server", () => {
    const { config, warnings } = parse(
      'server_name: a.org\nmodules: [{module: ./a.ts, config: {a: null, email: 1, b: [null]}}]',
    );
    expect(config.modules[0]?.config).toEqual({ a: null, email: 1, b: [null] });
    expect(warnings).toEqual([]);
  });

  it('row 89: takes the legacy presence_router as one more entry, after all others', () => {
    const text =
      'server_name: a.org\npresence:\n  presence_router: {module: ./old.ts, config: {x: 1}}\nmodules: [{module: ./a.ts}]';
    expect(parse(text).config.modules.map(({ module, config, path }) => ({ module, config, path }))).toEqual([
      { module: './a.ts', config: {}, path: ['modules', 0] },
      { module: './old.ts', config: { x: 1 }, path: ['presence', 'presence_router'] },
    ]);
  });

  it('lets an entry have its own callback limits, and the top level the rest', () => {
    const { config } = parse(
      'server_name: a.org\nmodule_callbacks: {timeout: 1s, rest: 9s}\nmodules: [{module: ./a.ts}, {module: ./b.ts, module_callbacks: {timeout: 50, on_failure: allow}}]',
    );
    expect(config.modules.map(({ callbacks }) => callbacks)).toEqual([
      { timeoutMs: 1000, failuresBeforeRest: 5, restMs: 9000, maxEntries: 100_000, onFailure: 'deny' },
      { timeoutMs: 50, failuresBeforeRest: 5, restMs: 9000, maxEntries: 100_000, onFailure: 'allow' },
    ]);
  });

  it('refuses two entries of the same name', () => {
    expect(problemsOf('server_name: a.org\nmodules: [{module: ./a.ts, name: x}, {module: ./b.ts, name: x}]')).toEqual([
      'thalamus.yaml:2:61: modules[1].name: is the name of modules[0], too; names tell entries apart',
    ]);
  });
});

describe('keys of the reference server', () => {
  it('are accepted with one warning each, however often they stand there and whatever is below', () => {
    const text = [
      'server_name: a.org',
      'report_stats: false',
      'log_config: "/a/b.yaml"',
      'email: {smtp_host: x, anything: [1]}',
      'listeners:',
      '  - {port: 8008, tag: a, x_forwarded: true, resources: [{names: [client], compress: false}]}',
      '  - {port: 8009, tag: b, resources: [{names: [client, media, static]}]}',
      'experimental_features: {msc3881_enabled: true, msc3026_enabled: true}',
    ].join('\n');
    expect(warningsOf(text)).toEqual([
      'thalamus.yaml:2:1: report_stats: this key of the reference server has no meaning here and is ignored',
      'thalamus.yaml:3:1: log_config: this key of the reference server has no meaning here and is ignored; use log.level',
      'thalamus.yaml:4:1: email: this key of the reference server has no meaning here and is ignored',
      'thalamus.yaml:6:18: listeners[0].tag: this key of the reference server has no meaning here and is ignored',
      'thalamus.yaml:6:75: listeners[0].resources[0].compress: this key of the reference server has no meaning here and is ignored',
      'thalamus.yaml:7:37: listeners[1].resources: the resource media of the reference server has no meaning here and is ignored',
      'thalamus.yaml:7:37: listeners[1].resources: the resource static of the reference server has no meaning here and is ignored',
      'thalamus.yaml:8:25: experimental_features.msc3881_enabled: this key of the reference server has no meaning here and is ignored',
    ]);
    expect(parse(text).config.presence.busyEnabled).toBe(true);
  });

  it('are known when something is misspelt', () => {
    expect(problemsOf('server_name: a.org\nreport_stat: no')).toEqual([
      'thalamus.yaml:2:1: report_stat: unknown key; the nearest known key is "report_stats"',
    ]);
    expect(problemsOf('server_name: a.org\nexperimental_features: {msc3026_enable: true}')).toEqual([
      'thalamus.yaml:2:25: experimental_features.msc3026_enable: unknown key; the nearest known key is "msc3026_enabled"',
    ]);
  });
});

describe('keys of later modes', () => {
  it('are checked, and get one warning per group', () => {
    const text = [
      'server_name: a.org',
      'redis: {enabled: true}',
      'worker_name: w1',
      'instance_map: {w1: {host: localhost, port: 9000}}',
    ].join('\n');
    expect(warningsOf(text)).toEqual([
      'thalamus.yaml:2:1: redis: keys for redis have no effect in this version (redis)',
      'thalamus.yaml:3:1: worker_name: keys for cluster have no effect in this version (worker_name, instance_map)',
    ]);
  });

  it('row 251: refuses two presence writers, and one that is not in the instance map', () => {
    const text = (writers: string): string =>
      `server_name: a.org\ninstance_map: {w1: {port: 1}, w2: {port: 2}}\nstream_writers:\n  presence: ${writers}`;
    expect(problemsOf(text('[w1, w2]'))).toEqual([
      'thalamus.yaml:4:13: stream_writers.presence: must be exactly one process, not 2',
    ]);
    expect(problemsOf(text('w3'))).toEqual([
      'thalamus.yaml:4:13: stream_writers.presence: names "w3", which is not in instance_map',
    ]);
    expect(problemsOf(text('[w1]'))).toEqual([]);
    expect(problemsOf(text('main'))).toEqual([]);
  });

  it('refuse to leave nothing that listens', () => {
    expect(problemsOf('server_name: a.org\nlisteners: [{port: 8448, resources: [{names: [media]}]}]')).toEqual([
      'thalamus.yaml:2:12: listeners: nothing would listen: no listener has a resource that works in this version (admin, client, federation, health or metrics)',
    ]);
  });
});

describe('the admin API', () => {
  const listening = (more = '', addresses = '[127.0.0.1, "::1", localhost]'): string =>
    `server_name: a.org\nlisteners:\n  - {port: 8008, bind_addresses: ${addresses}, resources: [{names: [admin]}]${more}}`;
  const withFile = '\nadmin_api: {token_path: admin.token}';
  const TOKEN = '0123456789abcdef';
  const adminOf = (text: string, token?: string) => {
    const { config, warnings } = parse(text, {}, { THALAMUS_ADMIN_TOKEN: token });
    return { ...config.adminApi, warnings: warnings.map((problem) => formatProblem('thalamus.yaml', problem)) };
  };

  it('is off unless a listener has it, and says so where its key is set', () => {
    expect(parse(`server_name: a.org`, {}, { THALAMUS_ADMIN_TOKEN: 'x' }).config.adminApi).toBeNull();
    expect(warningsOf(`server_name: a.org${withFile}`)).toEqual([
      'thalamus.yaml:2:12: admin_api: has no effect: no listener has the resource admin',
    ]);
  });

  it('is served with a token, of a file or of the environment, which wins', () => {
    expect(adminOf(listening() + withFile)).toEqual({
      token: null,
      tokenPath: '/etc/thalamus/admin.token',
      warnings: [],
    });
    expect(adminOf(listening(), ` ${TOKEN}\n`)).toEqual({ token: TOKEN, tokenPath: null, warnings: [] });
    expect(adminOf(listening() + withFile, TOKEN)).toMatchObject({ token: TOKEN });
    expect(adminOf(listening() + withFile, '')).toMatchObject({ token: null });
    expect(parse(listening() + withFile).config.listeners).toMatchObject([{ resources: ['admin', 'health'] }]);
  });

  it('is refused without a token, and with one that is none', () => {
    expect(problemsOf(listening())).toEqual([
      'thalamus.yaml:3:76: listeners[0].resources: the resource admin needs a token: name a file for it in admin_api.token_path, or set THALAMUS_ADMIN_TOKEN',
    ]);
    const problemsWith = (token: string) => problemsOf(listening(), { THALAMUS_ADMIN_TOKEN: token });
    expect(problemsWith(TOKEN.slice(1))).toEqual([
      'thalamus.yaml:1:1: admin_api: the environment variable THALAMUS_ADMIN_TOKEN is too short for a token: it must have 16 characters at least',
    ]);
    expect(problemsWith(`${TOKEN} ${TOKEN}`)[0]).toContain('without spaces');
    expect(problemsWith(`${TOKEN}ä`)[0]).toContain('is no token');
    expect(problemsWith('x'.repeat(1001))[0]).toContain('too long');
    expect(problemsWith(TOKEN)).toEqual([]);
  });

  it('gets a warning where others can listen in', () => {
    const warning =
      'the admin API is open to other machines without TLS, so its token can be read on the way; serve it on 127.0.0.1, or with tls: true';
    for (const addresses of ['[127.0.0.1, 10.0.0.1]', '["::"]', '[0.0.0.0]', '[example.org]']) {
      expect(adminOf(listening('', addresses) + withFile).warnings).toEqual([expect.stringContaining(warning)]);
    }
    const everywhere = `server_name: a.org\nlisteners: [{port: 1, resources: [{names: [admin]}]}]${withFile}`;
    expect(adminOf(everywhere).warnings).toHaveLength(1);
    const tls = `\ntls_certificate_path: c.pem\ntls_private_key_path: k.pem${withFile}`;
    const files = { '/etc/thalamus/c.pem': 'x', '/etc/thalamus/k.pem': 'x' };
    expect(parse(listening(', tls: true', '["::"]') + tls, files).warnings).toEqual([]);
  });
});

describe('federation', () => {
  const listening = 'server_name: a.org\nlisteners: [{port: 8448, resources: [{names: [federation]}]}]\n';

  it('is off unless a listener has it, and settings for it then get one warning', () => {
    const text =
      'server_name: a.org\nsigning_key_path: a.key\nserve_server_wellknown: true\nrc_federation: {concurrent: 2}';
    expect(parse(text).config.federation).toBeNull();
    expect(parse(text).config.serveServerWellknown).toBe(true);
    expect(warningsOf(text)).toEqual([
      'thalamus.yaml:2:19: signing_key_path: has no effect: no listener has the resource federation, so presence stays on this server (signing_key_path, rc_federation)',
    ]);
    expect(warningsOf(`${listening}signing_key_path: a.key`)).toEqual([]);
  });

  it('has defaults that work', () => {
    const { federation, dir } = parse(listening).config;
    expect(federation).toMatchObject({
      signingKeyPath: `${dir}/a.org.signing.key`,
      oldSigningKeys: [],
      keyRefreshIntervalMs: 86_400_000,
      domainWhitelist: null,
      verifyCertificates: true,
      customCas: null,
      dnsServers: null,
      rateLimit: { windowMs: 1000, sleepLimit: 10, sleepDelayMs: 500, rejectLimit: 50, concurrent: 3 },
      destinations: { minRetryIntervalMs: 600_000, retryMultiplier: 2, maxRetryIntervalMs: 604_800_000 },
      presence: { coalescingWindowMs: 100, keepAliveSpreadMs: 180_000 },
    });
    expect(federation?.ipRangeBlacklist).toContain('127.0.0.0/8');
  });

  it('checks its values', () => {
    expect(
      problemsOf(
        [
          `${listening}ip_range_blacklist: [10.0.0.0/64]`,
          'federation: {client_timeout: x}',
          'federation_dns_servers: [dns.example.org, "127.0.0.1:53", "::1", "[::1]:53", "1.2.3.4:x", "1.2.3.4:65536", "[::1]:0"]',
          'federation_domain_whitelist: ["*.org"]',
          'federation_presence: {keep_alive_spread: 4m}',
        ].join('\n'),
      ).map((problem) => problem.slice(0, 70)),
    ).toMatchInlineSnapshot(`
      [
        "thalamus.yaml:3:22: ip_range_blacklist[0]: must be an IP address or ra",
        "thalamus.yaml:4:30: federation.client_timeout: must be a duration grea",
        "thalamus.yaml:5:26: federation_dns_servers[0]: must be the address of ",
        "thalamus.yaml:5:78: federation_dns_servers[4]: must be the address of ",
        "thalamus.yaml:5:91: federation_dns_servers[5]: must be the address of ",
        "thalamus.yaml:5:108: federation_dns_servers[6]: must be the address of",
        "thalamus.yaml:6:31: federation_domain_whitelist[0]: must be a server n",
        "thalamus.yaml:7:42: federation_presence.keep_alive_spread: must be at ",
      ]
    `);
  });

  it('wants key servers whose answers can be checked', () => {
    const text = (lines: string) => `${listening}federation_verify_certificates: false\ntrusted_key_servers:\n${lines}`;
    const key = 'XSl0kuyvrXNj6A+7/tkrB9sxSbRi08Of5uRhxOqZtEQ';
    expect(
      problemsOf(
        text(
          [
            '- {server_name: a.org}',
            '- {server_name: b.org, accept_keys_insecurely: true}',
            `- {server_name: c.org, verify_keys: {"ed25519:a": "${key}="}}`,
            '- {server_name: d.org, verify_keys: {"ed25519:a": short}}',
          ].join('\n'),
        ),
      ).map((problem) => problem.slice(0, 90)),
    ).toMatchInlineSnapshot(`
      [
        "thalamus.yaml:5:3: trusted_key_servers[0]: needs verify_keys where federation_verify_certi",
        "thalamus.yaml:8:51: trusted_key_servers[3].verify_keys["ed25519:a"]: must be a public key:",
      ]
    `);
    expect(problemsOf(`${listening}trusted_key_servers: [{server_name: a.org}]`)).toEqual([]);
    expect(problemsOf(`${listening}old_signing_keys: {"ed25519:a": {key: x, expired_ts: 1}}`)).toHaveLength(1);
    expect(problemsOf(`${listening}old_signing_keys: {"a b": {key: ${key}, expired_ts: 1}}`)).toEqual([
      expect.stringContaining('old_signing_keys["a b"]: a key id must be'),
    ]);
    expect(problemsOf(`${listening}federation_dns_servers: []`)).toEqual([
      expect.stringContaining('federation_dns_servers: must name a server at least'),
    ]);
  });

  it('wants authorities that are certificates, all of them', () => {
    const text = `${listening}federation_custom_ca_list: [ca.pem]`;
    const { ca, key } = createAuthority().issue({ dnsNames: ['a.org'] });
    const problemsWith = (content: string): readonly string[] => {
      try {
        parse(text, { '/etc/thalamus/ca.pem': content });
      } catch (error) {
        return error instanceof Error ? error.message.split('\n') : [];
      }
      return [];
    };
    const none = expect.stringMatching(
      /^thalamus\.yaml:\d+:\d+: federation_custom_ca_list: .*ca\.pem: the file has no cert/,
    );
    const broken = expect.stringMatching(
      /federation_custom_ca_list: .*ca\.pem: certificate 2 of the file cannot be read: /,
    );
    expect(['', 'hello', key].map(problemsWith)).toEqual([[none], [none], [none]]);
    expect([`${ca}${ca.slice(0, 200)}`, `${ca}${ca.replace('MI', 'AA')}`].map(problemsWith)).toEqual([
      [broken],
      [broken],
    ]);
    expect([ca, `my own\n${ca}\n# and\n${ca}`].map(problemsWith)).toEqual([[], []]);
  });
});

describe('database', () => {
  it.each(['postgres', 'psycopg2'])('says that %s is not in this version, and nothing of its arguments', (name) => {
    const text = `server_name: a.org\ndatabase:\n  name: ${name}\n  txn_limit: 1\n  args: {user: u, password: p, host: h, cp_min: 5}`;
    expect(problemsOf(text)).toEqual([
      `thalamus.yaml:3:9: database.name: must be "sqlite3": PostgreSQL is not in this version, not "${name}"`,
    ]);
  });

  it('says that several databases are not in this version', () => {
    expect(problemsOf('server_name: a.org\ndatabases: {a: {}}')).toEqual([
      'thalamus.yaml:2:1: databases: several databases are not in this version; use database',
    ]);
  });

  it('takes paths relative to the file, absolute ones as they are, and :memory:', () => {
    const pathOf = (path: string): string =>
      parse(`server_name: a.org\ndatabase: {args: {database: "${path}"}}`).config.database.path;
    expect([pathOf('x/y.db'), pathOf('/var/y.db'), pathOf(':memory:')]).toEqual([
      '/etc/thalamus/x/y.db',
      '/var/y.db',
      ':memory:',
    ]);
  });
});

describe('registration and files', () => {
  it('does not open registration to everybody by one key alone', () => {
    expect(problemsOf('server_name: a.org\nenable_registration: yes')).toEqual([
      'thalamus.yaml:2:22: enable_registration: opens registration to everybody without any proof of who they are; if that is meant, also set enable_registration_without_verification: true',
    ]);
    expect(
      parse('server_name: a.org\nenable_registration: true\nenable_registration_without_verification: true').config
        .registration.enabled,
    ).toBe(true);
  });

  it('reads the shared secret from a file, and refuses two of them', () => {
    const text = 'server_name: a.org\nregistration_shared_secret_path: s.txt';
    expect(parse(text, { '/etc/thalamus/s.txt': 'hush\n' }).config.registration.sharedSecret).toBe('hush');
    expect(problemsOf(text)).toEqual([
      "thalamus.yaml:2:34: registration_shared_secret_path: the file cannot be read: ENOENT: no such file or directory, open '/etc/thalamus/s.txt'",
    ]);
    expect(() => parse(text, { '/etc/thalamus/s.txt': '\n' })).toThrow('the file is empty');
    expect(problemsOf(`${text}\nregistration_shared_secret: x`)).toEqual([
      expect.stringContaining('the file cannot be read'),
      expect.stringContaining('stands beside registration_shared_secret_path; keep one of them'),
    ]);
  });

  it('wants certificate and key for a listener with TLS, and that they can be read', () => {
    const listener = 'listeners: [{port: 8448, tls: true, resources: [{names: [client]}]}]';
    expect(problemsOf(`server_name: a.org\n${listener}`)).toEqual([
      'thalamus.yaml:2:31: listeners[0].tls: needs tls_certificate_path, which is missing',
      'thalamus.yaml:2:31: listeners[0].tls: needs tls_private_key_path, which is missing',
    ]);
    const text = `server_name: a.org\n${listener}\ntls_certificate_path: c.pem\ntls_private_key_path: k.pem`;
    expect(problemsOf(text)).toHaveLength(2);
    const files = { '/etc/thalamus/c.pem': 'c', '/etc/thalamus/k.pem': 'k' };
    expect(parse(text, files).config.tls).toEqual({
      certificatePath: '/etc/thalamus/c.pem',
      privateKeyPath: '/etc/thalamus/k.pem',
    });
  });

  it('refuses two listeners at the same address', () => {
    const one = '{port: 8008, bind_addresses: [127.0.0.1], resources: [{names: [client]}]}';
    expect(problemsOf(`server_name: a.org\nlisteners: [${one}, ${one}]`)).toEqual([
      expect.stringContaining('listeners[1].port: is taken by listeners[0], on the same address'),
    ]);
  });
});
