/**
 * The configuration of test servers, and module sources beside it.
 */
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export interface TestConfigOptions {
  /** @default test.example */
  readonly serverName?: string;
  /** More keys of the configuration file, spelled as in the file; they replace whole top-level sections of the defaults below. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly modules?: readonly TestModule[];
  /** Files beside the configuration, by name. */
  readonly files?: Readonly<Record<string, string>>;
  /** Of the listener for clients. @default client, health and metrics */
  readonly resources?: readonly string[];
  /** Listeners after the one for clients. */
  readonly listeners?: readonly unknown[];
  /** Currently active for 200 ms, grace 300 ms, idle after 600 ms, for tests that live through them in real time. */
  readonly shortTimers?: boolean;
}

/** An entry of `modules` whose code is a file of this repository, or given here. */
export interface TestModule {
  /** A path relative to the repository, or what an administrator would write. */
  readonly module?: string;
  /** TypeScript; written to a file beside the configuration. */
  readonly source?: string;
  /** The export to take, where there are several. */
  readonly exportName?: string;
  readonly name?: string;
  readonly config?: unknown;
  readonly module_callbacks?: Readonly<Record<string, unknown>>;
}

const MANY = { per_second: 1000, burst_count: 10_000 };

/** The file's content. Writes module sources and other files into `dir`. */
export function testConfig(dir: string, port: number, options: TestConfigOptions = {}): Record<string, unknown> {
  for (const [name, text] of Object.entries(options.files ?? {})) writeFileSync(join(dir, name), text);
  return {
    server_name: options.serverName ?? 'test.example',
    listeners: [
      {
        port,
        bind_addresses: ['127.0.0.1'],
        resources: [{ names: options.resources ?? ['client', 'health', 'metrics'] }],
      },
      ...(options.listeners ?? []),
    ],
    database: { name: 'sqlite3', args: { database: 'data/thalamus.db' } },
    enable_registration: true,
    enable_registration_without_verification: true,
    registration_shared_secret: 'test secret',
    rc_presence: { per_user: MANY },
    rc_login: { address: MANY, account: MANY, failed_attempts: MANY },
    rc_registration: MANY,
    ...(options.shortTimers === true
      ? { presence: { last_active_granularity: 200, sync_online_timeout: 300, idle_timeout: 600 } }
      : {}),
    log: { level: 'debug', format: 'json' },
    ...(options.modules === undefined
      ? {}
      : { modules: options.modules.map((entry, index) => moduleEntry(dir, entry, index)) }),
    ...options.config,
  };
}

function moduleEntry(dir: string, entry: TestModule, index: number): Record<string, unknown> {
  const { source, exportName, module, ...rest } = entry;
  let specifier = module?.startsWith('examples/') || module?.startsWith('test/') ? resolve(module) : (module ?? '');
  if (source !== undefined) {
    specifier = `./module-${index}.ts`;
    writeFileSync(join(dir, specifier), source);
  }
  return { module: exportName === undefined ? specifier : `${specifier}#${exportName}`, ...rest };
}
