/**
 * The parsed file → the configuration the server uses. Reads the files that the configuration names and the server needs at once.
 */
import { resolve } from 'node:path';
import type { RoomId } from '../matrix/identifiers.ts';
import { isRoomId } from '../matrix/identifiers.ts';
import { buildAdminApi, type Environment } from './build-admin-api.ts';
import { buildFederation } from './build-federation.ts';
import { certificateProblem } from './certificate-problem.ts';
import type { Config, ModuleConfig, PresenceConfig, RateLimit } from './config.ts';
import type { Finding } from './cross-checks.ts';
import { isMapping } from './prepare-values.ts';
import { readListeners } from './read-listeners.ts';
import type { ParsedFile } from './schema/index.ts';

export interface BuildContext {
  /** Absolute. */
  readonly file: string;
  readonly dir: string;
  /** Reads a small text file; throws what `node:fs` throws. */
  readonly readText: (path: string) => string;
  readonly environment: Environment;
}

export interface Built {
  readonly config: Config;
  readonly errors: readonly Finding[];
  readonly warnings: readonly Finding[];
}

export function buildConfig(parsed: ParsedFile, { file, dir, readText, environment }: BuildContext): Built {
  const { listeners, errors, warnings } = readListeners(parsed);

  const admin = buildAdminApi(parsed, dir, environment);
  errors.push(...admin.errors);
  warnings.push(...admin.warnings);

  const readFile = (key: keyof ParsedFile & string, path: string): string => {
    try {
      return readText(resolve(dir, path));
    } catch (error) {
      errors.push([[key], `the file cannot be read: ${error instanceof Error ? error.message : String(error)}`]);
      return '';
    }
  };

  let sharedSecret = parsed.registration_shared_secret ?? null;
  if (parsed.registration_shared_secret_path !== undefined) {
    sharedSecret = readFile('registration_shared_secret_path', parsed.registration_shared_secret_path).trim();
    if (sharedSecret === '' && errors.length === 0)
      errors.push([['registration_shared_secret_path'], 'the file is empty']);
  }

  const { tls_certificate_path: certificate, tls_private_key_path: key } = parsed;
  let tls: Config['tls'] = null;
  if (certificate !== undefined && key !== undefined && listeners.some((listener) => listener.tls)) {
    tls = { certificatePath: resolve(dir, certificate), privateKeyPath: resolve(dir, key) };
    readFile('tls_certificate_path', certificate);
    readFile('tls_private_key_path', key);
  }

  const { args } = parsed.database;
  const config: Config = {
    file,
    dir,
    serverName: parsed.server_name,
    publicBaseurl: parsed.public_baseurl ?? `https://${parsed.server_name}/`,
    listeners,
    tls,
    database: {
      path: args.database === ':memory:' ? args.database : resolve(dir, args.database),
      busyTimeoutMs: args.busy_timeout,
      maxPageCount: args.max_page_count ?? null,
    },
    presence: buildPresence(parsed),
    recordTraffic: buildRecordTraffic(parsed, dir),
    modules: buildModules(parsed),
    registration: { enabled: parsed.enable_registration, sharedSecret },
    rateLimits: {
      presencePerUser: buildRate(parsed.rc_presence.per_user),
      loginAddress: buildRate(parsed.rc_login.address),
      loginAccount: buildRate(parsed.rc_login.account),
      loginFailedAttempts: buildRate(parsed.rc_login.failed_attempts),
      registration: buildRate(parsed.rc_registration),
    },
    adminApi: admin.adminApi,
    federation: listeners.some(({ resources }) => resources.includes('federation'))
      ? buildFederation(parsed, {
          dir,
          readCertificates: (path) => {
            const found = errors.length;
            const text = readFile('federation_custom_ca_list', path);
            const problem = errors.length > found ? null : certificateProblem(text);
            if (problem !== null) errors.push([['federation_custom_ca_list'], `${resolve(dir, path)}: ${problem}`]);
            return text;
          },
        })
      : null,
    serveServerWellknown: parsed.serve_server_wellknown,
    maxRequestSize: parsed.max_request_size,
    log: parsed.log,
    limits: {
      maxPendingUpdatesPerObserver: parsed.limits.max_pending_updates_per_observer,
      maxRoutedUsersPerUpdate: parsed.limits.max_routed_users_per_update,
      maxConnections: parsed.limits.max_connections ?? null,
    },
  };
  return { config, errors, warnings };
}

function buildRecordTraffic({ record_traffic: record }: ParsedFile, dir: string): Config['recordTraffic'] {
  if (record === undefined) return null;
  return { path: resolve(dir, record.path), maxSize: record.max_size, keep: record.keep };
}

function buildPresence({ presence, use_presence, ...file }: ParsedFile): PresenceConfig {
  const enabled = presence.enabled ?? use_presence ?? true;
  const modes = { true: 'tracked', false: 'disabled', untracked: 'untracked' } as const;
  return {
    mode: modes[`${enabled}`],
    includeOfflineUsersOnSync: presence.include_offline_users_on_sync,
    tellOfflineOnLoss: presence.tell_offline_on_loss,
    lastActiveGranularityMs: presence.last_active_granularity,
    syncOnlineTimeoutMs: presence.sync_online_timeout,
    idleTimeoutMs: presence.idle_timeout,
    maxStatusMsgBytes: presence.max_status_msg_bytes,
    excludedRooms: file.exclude_rooms_from_presence.filter((room): room is RoomId => isRoomId(room)),
    busyEnabled: file.experimental_features.msc3026_enabled,
  };
}

function buildModules({ modules, presence, module_callbacks: defaults }: ParsedFile): ModuleConfig[] {
  type Entry = ParsedFile['modules'][number];
  const build = (entry: Entry, path: ModuleConfig['path']): ModuleConfig => {
    const own = entry.module_callbacks;
    return {
      name: entry.name ?? null,
      module: entry.module,
      // Absent, null, false, 0 and '' alike: the module gets an empty section, as in the reference server.
      config: isMapping(entry.config) ? entry.config : {},
      callbacks: {
        timeoutMs: own?.timeout ?? defaults.timeout,
        failuresBeforeRest: own?.failures_before_rest ?? defaults.failures_before_rest,
        restMs: own?.rest ?? defaults.rest,
        maxEntries: own?.max_entries ?? defaults.max_entries,
        onFailure: own?.on_failure ?? defaults.on_failure,
      },
      path,
    };
  };
  const result = modules.map((entry, index) => build(entry, ['modules', index]));
  const legacy = presence.presence_router;
  if (legacy !== undefined) result.push(build(legacy, ['presence', 'presence_router']));
  return result;
}

function buildRate(rate: { readonly per_second: number; readonly burst_count: number }): RateLimit {
  return { perSecond: rate.per_second, burstCount: rate.burst_count };
}
