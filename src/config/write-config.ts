/**
 * Writes a configuration that works as it is, with a comment on every line: for a first look, or for a server that is to stay.
 */
import { DEFAULTS } from './defaults.ts';

export interface SampleOptions {
  readonly serverName: string;
  /** Path of the example module as the file is to name it; null for no module. */
  readonly module: string | null;
  /** `trial`: registration is open and limits are wide, for this machine only. `server`: closed, limits as by default. */
  readonly purpose: 'trial' | 'server';
  /** For `server`. */
  readonly registrationSharedSecret?: string;
}

type Line = readonly [text: string, comment: string];

const COMMENT_COLUMN = 48;

/** Returns YAML that `parseConfig` accepts without a warning. */
export function writeConfig(options: SampleOptions): string {
  const lines = [
    ...head(options),
    ...adminApi(options),
    ...storage(),
    ...registration(options),
    ...presence(),
    ...limits(options),
    ...modules(options),
  ];
  return `${lines.map(renderLine).join('\n')}\n`;
}

function renderLine([text, comment]: Line): string {
  return text === '' ? `# ${comment}` : `${text.padEnd(COMMENT_COLUMN - 1)} # ${comment}`;
}

function head({ serverName, purpose }: SampleOptions): Line[] {
  const isTrial = purpose === 'trial';
  return [
    ['', 'Configuration of Thalamus, a presence server for Matrix. Every key: docs/reference/config.md.'],
    ['', 'Check it with "thalamus check-config -c <this file>". Paths are relative to this file.'],
    [`server_name: ${serverName}`, 'the part of user ids after the colon; it cannot be changed later'],
    ['listeners:', 'where the server listens'],
    ['  - port: 8008', 'the TCP port'],
    [
      '    bind_addresses: [127.0.0.1]',
      isTrial ? 'this machine only' : 'this machine only: the reverse proxy is in front',
    ],
    ['    type: http', 'or metrics, for a listener with nothing but metrics'],
    ['    tls: false', 'true needs tls_certificate_path and tls_private_key_path'],
    ...(isTrial
      ? []
      : [['    x_forwarded: true', "believe the proxy's X-Forwarded-For; false without a proxy"] as const]),
    ['    resources:', 'what is served there'],
    isTrial
      ? ['      - names: [client, health, metrics, admin]', 'the Matrix API, /health, /metrics, and the admin API']
      : ['      - names: [client, health, metrics]', 'the Matrix API, GET /health, and /metrics for Prometheus'],
  ];
}

/** With a proxy in front, a listener that the proxy knows nothing of. */
function adminApi({ purpose }: SampleOptions): Line[] {
  const listener: Line[] = [
    ['  - port: 8009', 'for the admin API: nothing that the reverse proxy passes on'],
    ['    bind_addresses: [127.0.0.1]', 'this machine only'],
    ['    resources:', 'what is served there'],
    ['      - names: [admin]', 'users, modules, and why somebody sees somebody'],
  ];
  return [
    ...(purpose === 'trial' ? [] : listener),
    ['admin_api:', 'who may use the admin API, and "thalamus explain"'],
    ['  token_path: admin.token', 'whoever can read this file, which the first start makes'],
  ];
}

function storage(): Line[] {
  return [
    ['database:', 'where accounts, rooms and presence are kept'],
    ['  name: sqlite3', 'one file, nothing to install'],
    ['  args:', 'how to open it'],
    [`    database: ${DEFAULTS.database.args.database}`, 'the file; its folder is made if missing'],
  ];
}

function registration({ purpose, registrationSharedSecret = '' }: SampleOptions): Line[] {
  if (purpose === 'trial') {
    return [
      ['enable_registration: true', 'anybody who reaches the server can make an account'],
      ['enable_registration_without_verification: true', 'says that this is meant'],
    ];
  }
  return [
    ['enable_registration: false', 'nobody makes an account without the secret below'],
    [`registration_shared_secret: ${registrationSharedSecret}`, 'for "thalamus register-user"; keep it to yourself'],
  ];
}

function presence(): Line[] {
  const defaults = DEFAULTS.presence;
  return [
    ['presence:', 'who is online, and for how long'],
    [`  enabled: ${defaults.enabled}`, 'true, false, or "untracked": set by modules only'],
    [
      `  last_active_granularity: ${defaults.last_active_granularity}`,
      'so long after an activity a user counts as active',
    ],
    [`  sync_online_timeout: ${defaults.sync_online_timeout}`, 'so long after its last sync a device goes offline'],
    [`  idle_timeout: ${defaults.idle_timeout}`, 'so long without activity a device becomes unavailable'],
  ];
}

function limits({ purpose }: SampleOptions): Line[] {
  const isTrial = purpose === 'trial';
  const { per_second, burst_count } = isTrial ? { per_second: 10, burst_count: 50 } : DEFAULTS.rc.presence;
  return [
    ['rc_presence:', 'how often presence can change'],
    ['  per_user:', 'for each user'],
    [
      `    per_second: ${per_second}`,
      isTrial ? 'ten a second: wide, for trying things out' : 'one in ten seconds, on average',
    ],
    [`    burst_count: ${burst_count}`, isTrial ? 'and fifty at once' : 'and one at once'],
    ['log:', 'what is written to the standard output'],
    ['  level: info', 'debug, info, warn or error'],
  ];
}

function modules({ module }: SampleOptions): Line[] {
  if (module === null)
    return [['modules: []', 'who else gets to see whom: your own modules, such as "./my-router.ts"']];
  return [
    ['modules:', 'who else gets to see whom: TypeScript files that run as they are'],
    [`  - module: ${JSON.stringify(module)}`, 'the example: alice sees bob and charlie, though they share no room'],
    ['    config: {}', 'whatever the module asks for; here its own defaults'],
  ];
}
