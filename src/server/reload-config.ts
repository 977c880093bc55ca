/**
 * What a changed configuration means for a server that runs: what is taken over at once, and what only a restart applies.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Config, FederationConfig, RateLimits } from '../config/config.ts';
import type { TlsMaterial } from '../http/listener.ts';
import type { Logger } from '../ports/logger.ts';
import { readAdminToken } from './admin-token.ts';
import { readTls } from './read-tls.ts';
import type { ReloadReport } from './server.ts';

/** What of a running server can change. */
export interface Reloadable {
  setLogLevel(level: Config['log']['level']): void;
  setRateLimits(limits: RateLimits): void;
  setMaxRequestSize(bytes: number): void;
  setTls(material: TlsMaterial): void;
  /** Returns whether it is another one than before. */
  setAdminToken(token: string): boolean;
}

/** Sections that a running server is built on, by the names that the file has for them. */
const BUILT_ON = {
  serverName: 'server_name',
  publicBaseurl: 'public_baseurl',
  listeners: 'listeners',
  database: 'database',
  presence: 'presence',
  recordTraffic: 'record_traffic',
  registration: 'registration',
  limits: 'limits',
  serveServerWellknown: 'serve_server_wellknown',
} as const satisfies Partial<Record<keyof Config, string>>;

const FEDERATION_BUILT_ON = {
  signingKeyPath: 'signing_key_path',
  oldSigningKeys: 'old_signing_keys',
  keyRefreshIntervalMs: 'key_refresh_interval',
  trustedKeyServers: 'trusted_key_servers',
  domainWhitelist: 'federation_domain_whitelist',
  verifyCertificates: 'federation_verify_certificates',
  certificateVerificationWhitelist: 'federation_certificate_verification_whitelist',
  customCas: 'federation_custom_ca_list',
  ipRangeBlacklist: 'ip_range_blacklist',
  ipRangeWhitelist: 'ip_range_whitelist',
  dnsServers: 'federation_dns_servers',
  client: 'federation',
  destinations: 'federation',
  rateLimit: 'rc_federation',
  presence: 'federation_presence',
} as const satisfies Record<keyof FederationConfig, string>;

/**
 * Applies what of `next` can be applied.
 *
 * @param started - the configuration that the server was started with: what needs a restart is what differs from it, so
 *   that a change which has been taken back is not announced
 * @param current - the one that was read last
 * @throws ConfigError for TLS files and the admin token's; then nothing has been applied
 */
export function applyReload(started: Config, current: Config, next: Config, server: Reloadable): ReloadReport {
  const reloaded: string[] = [];
  // Files can have changed though their paths have not; and this is what can fail, so it comes first.
  const adminToken = current.adminApi === null || next.adminApi === null ? null : readAdminToken(next.adminApi);
  if (current.tls !== null && next.tls !== null) {
    server.setTls(readTls(next.tls));
    reloaded.push('TLS files');
  }
  if (adminToken !== null && server.setAdminToken(adminToken)) reloaded.push('the token of the admin API');
  if (current.log.level !== next.log.level) {
    server.setLogLevel(next.log.level);
    reloaded.push('log.level');
  }
  if (!isDeepStrictEqual(current.rateLimits, next.rateLimits)) {
    server.setRateLimits(next.rateLimits);
    reloaded.push('rate limits');
  }
  if (current.maxRequestSize !== next.maxRequestSize) {
    server.setMaxRequestSize(next.maxRequestSize);
    reloaded.push('max_request_size');
  }
  const needRestart = differing(BUILT_ON, started, next);
  // Without it on one side, the listeners differ, and that has been said.
  if (started.federation !== null && next.federation !== null) {
    needRestart.push(...differing(FEDERATION_BUILT_ON, started.federation, next.federation));
  }
  if (started.log.format !== next.log.format) needRestart.push('log.format');
  return { reloaded, needRestart };
}

/** The names, each once, of what is not the same in both. */
function differing<T extends object>(names: Partial<Record<keyof T, string>>, one: T, other: T): string[] {
  const keys = Object.keys(names) as (keyof T)[];
  const different = keys.filter((key) => !isDeepStrictEqual(one[key], other[key])).map((key) => names[key] ?? '');
  return [...new Set(different)];
}

export function logReload({ reloaded, needRestart }: ReloadReport, logger: Logger): void {
  logger.info(
    { reloaded },
    reloaded.length === 0 ? 'configuration read again: nothing new to take over' : 'configuration read again',
  );
  if (needRestart.length > 0) logger.warn({ needRestart }, 'changes that take effect at the next start');
}
