/**
 * The keys about other servers → the configuration the server uses.
 */
import { resolve } from 'node:path';
import type { FederationConfig } from './config.ts';
import { DEFAULTS } from './defaults.ts';
import type { ParsedFile } from './schema/index.ts';

export interface FederationContext {
  readonly dir: string;
  /** Reads a file of certificates that the configuration names, and makes a problem of it if it cannot. */
  readonly readCertificates: (path: string) => string;
}

export function buildFederation(parsed: ParsedFile, { dir, readCertificates }: FederationContext): FederationConfig {
  const { federation, rc_federation: rc, federation_presence: presence } = parsed;
  return {
    signingKeyPath: resolve(dir, parsed.signing_key_path ?? `${parsed.server_name}.signing.key`),
    oldSigningKeys: Object.entries(parsed.old_signing_keys ?? {}).map(([keyId, { key, expired_ts }]) => ({
      keyId,
      publicKey: key,
      expiredTs: expired_ts,
    })),
    keyRefreshIntervalMs: parsed.key_refresh_interval,
    trustedKeyServers: (parsed.trusted_key_servers ?? []).map((server) => ({
      serverName: server.server_name,
      verifyKeys: server.verify_keys ?? null,
      acceptKeysInsecurely: server.accept_keys_insecurely ?? false,
    })),
    domainWhitelist: parsed.federation_domain_whitelist ?? null,
    verifyCertificates: parsed.federation_verify_certificates,
    certificateVerificationWhitelist: parsed.federation_certificate_verification_whitelist ?? [],
    customCas: parsed.federation_custom_ca_list?.map(readCertificates) ?? null,
    ipRangeBlacklist: parsed.ip_range_blacklist ?? DEFAULTS.ip_range_blacklist,
    ipRangeWhitelist: parsed.ip_range_whitelist ?? [],
    dnsServers: parsed.federation_dns_servers ?? null,
    client: {
      timeoutMs: federation.client_timeout,
      maxLongRetryDelayMs: federation.max_long_retry_delay,
      maxLongRetries: federation.max_long_retries,
    },
    destinations: {
      minRetryIntervalMs: federation.destination_min_retry_interval,
      retryMultiplier: federation.destination_retry_multiplier,
      maxRetryIntervalMs: federation.destination_max_retry_interval,
      wakesPerSecond: parsed.federation_rr_transactions_per_room_per_second,
    },
    rateLimit: {
      windowMs: rc.window_size,
      sleepLimit: rc.sleep_limit,
      sleepDelayMs: rc.sleep_delay,
      rejectLimit: rc.reject_limit,
      concurrent: rc.concurrent,
    },
    presence: {
      coalescingWindowMs: presence.coalescing_window,
      keepAliveSpreadMs: presence.keep_alive_spread,
      maxDestinations: presence.max_destinations,
      maxStatesPerDestination: presence.max_states_per_destination,
      maxConcurrentTransactions: presence.max_concurrent_transactions,
      maxUsersPerServer: presence.max_users_per_server,
      maxUsers: presence.max_users,
      maxStrangersPerServer: presence.max_strangers_per_server,
      maxStrangers: presence.max_strangers,
      strangersAskedPerSecondAndServer: presence.strangers_asked_per_second_and_server,
      strangersAskedPerSecond: presence.strangers_asked_per_second,
    },
  };
}
