/**
 * A real Synapse in a folder made by install-synapse.sh: configuration, start, stop, and being held up.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { IssuedCertificate } from '../../test/support/certificates.ts';
import { until } from '../../test/support/until.ts';

export interface SynapseOptions {
  /** The folder that install-synapse.sh filled. */
  readonly root: string;
  readonly clientPort: number;
  readonly federationPort: number;
  readonly certificate: IssuedCertificate;
  /** For the module. */
  readonly router: RouterConfig;
  /** Who is asked for the keys of servers. */
  readonly keyServers: readonly string[];
}

/** See synapse_router.py and thalamus-router.ts. */
export interface RouterConfig {
  /** Source → observers. */
  readonly observers: Readonly<Record<string, readonly string[]>>;
  /** Observer → sources. */
  readonly snapshots: Readonly<Record<string, readonly string[]>>;
}

export interface SynapseServer {
  readonly baseUrl: string;
  /** With its signing key, made at the first start. */
  readonly signingKeyFile: string;
  /** Puts other values in place of top-level keys of homeserver.yaml; for the next start. */
  changeConfig(changes: Readonly<Record<string, unknown>>): void;
  start(): Promise<void>;
  signal(signal: NodeJS.Signals): void;
  /** Signals and waits for the end. */
  end(signal?: NodeJS.Signals): Promise<void>;
  log(): string;
}

const FOLDER = '/srv/interop';
const START_TIMEOUT_MS = 60_000;

export function createSynapse(options: SynapseOptions): SynapseServer {
  const { root, clientPort, certificate } = options;
  const dir = join(root, FOLDER);
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'tls.pem'), certificate.cert);
  writeFileSync(join(dir, 'tls.key'), certificate.key);
  writeFileSync(join(dir, 'ca.pem'), certificate.ca);
  writeFileSync(join(dir, 'log.yaml'), JSON.stringify(LOG));
  const changeConfig = (changes: Readonly<Record<string, unknown>>): void => {
    // YAML is a superset of JSON.
    writeFileSync(join(dir, 'homeserver.yaml'), JSON.stringify({ ...homeserver(options), ...changes }, null, 2));
  };
  changeConfig({});
  copyFileSync(fileURLToPath(new URL('synapse_router.py', import.meta.url)), join(dir, 'synapse_router.py'));

  const python = `cd ${FOLDER} && PYTHONPATH=${FOLDER} exec python3 -m synapse.app.homeserver -c homeserver.yaml`;
  const baseUrl = `http://127.0.0.1:${clientPort}`;
  let child: ChildProcess | null = null;

  const isUp = async (): Promise<boolean> => {
    if (child?.exitCode !== null) throw new Error(`Synapse ended: ${readFileSync(join(dir, 'output.log'), 'utf8')}`);
    return fetch(`${baseUrl}/health`).then(
      (response) => response.ok,
      () => false,
    );
  };
  return {
    baseUrl,
    signingKeyFile: join(dir, 'signing.key'),
    changeConfig,
    start: async () => {
      child = spawn('chroot', [root, 'sh', '-c', `(${python} --generate-keys) && ${python} > output.log 2>&1`], {
        stdio: 'ignore',
      });
      await until(isUp, START_TIMEOUT_MS);
    },
    signal: (signal) => void child?.kill(signal),
    end: async (signal = 'SIGTERM') => {
      if (child === null || child.exitCode !== null) return;
      const closed = once(child, 'close');
      child.kill('SIGCONT');
      child.kill(signal);
      await closed;
    },
    log: () => readFileSync(join(dir, 'synapse.log'), 'utf8'),
  };
}

function homeserver({ clientPort, federationPort, router, keyServers }: SynapseOptions): Record<string, unknown> {
  const listener = (port: number, tls: boolean, names: string[]): Record<string, unknown> => ({
    port,
    tls,
    type: 'http',
    bind_addresses: ['127.0.0.1'],
    resources: [{ names }],
  });
  return {
    server_name: `localhost:${federationPort}`,
    public_baseurl: `http://127.0.0.1:${clientPort}/`,
    listeners: [listener(clientPort, false, ['client']), listener(federationPort, true, ['federation'])],
    tls_certificate_path: `${FOLDER}/tls.pem`,
    tls_private_key_path: `${FOLDER}/tls.key`,
    federation_custom_ca_list: [`${FOLDER}/ca.pem`],
    ip_range_whitelist: ['127.0.0.0/8', '::1/128'],
    database: { name: 'sqlite3', args: { database: `${FOLDER}/homeserver.db` } },
    media_store_path: `${FOLDER}/media`,
    signing_key_path: `${FOLDER}/signing.key`,
    trusted_key_servers: keyServers.map((name) => ({ server_name: name })),
    suppress_key_server_warning: true,
    report_stats: false,
    enable_registration: true,
    enable_registration_without_verification: true,
    macaroon_secret_key: 'interoperation',
    form_secret: 'interoperation',
    rc_presence: { per_user: { per_second: 100, burst_count: 1000 } },
    rc_registration: { per_second: 100, burst_count: 100 },
    log_config: `${FOLDER}/log.yaml`,
    modules: [{ module: 'synapse_router.InteropRouter', config: router }],
  };
}

const LOG = {
  version: 1,
  disable_existing_loggers: false,
  formatters: { line: { format: '%(asctime)s %(name)s %(levelname)s %(message)s' } },
  handlers: { file: { class: 'logging.FileHandler', formatter: 'line', filename: `${FOLDER}/synapse.log` } },
  root: { level: 'INFO', handlers: ['file'] },
};
