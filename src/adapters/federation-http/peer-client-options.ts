/**
 * What the client can be told, and its limits unless told otherwise. The names of the configuration's keys are at the side.
 */
import type { ServerName } from '../../matrix/identifiers.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Metrics } from '../../ports/metrics.ts';

export interface PeerClientOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** `federation_domain_whitelist`; null: all. */
  readonly domainWhitelist?: readonly ServerName[] | null;
  /** `federation_verify_certificates` @default true */
  readonly verifyCertificates?: boolean;
  /** `federation_certificate_verification_whitelist`: names in which `*` stands for anything. */
  readonly certificateVerificationWhitelist?: readonly string[];
  /** The contents of `federation_custom_ca_list`, in PEM form; null: the authorities that come with Node. */
  readonly customCas?: readonly string[] | null;
  /** `ip_range_blacklist` */
  readonly ipRangeBlacklist: readonly string[];
  /** `ip_range_whitelist` */
  readonly ipRangeWhitelist?: readonly string[];
  /** `federation_dns_servers`: `address` or `address:port`; null: the system's, and its hosts file. */
  readonly dnsServers?: readonly string[] | null;
  readonly userAgent?: string;
  readonly limits?: Partial<PeerClientLimits>;
  /** Where servers are looked for that name no port; tests have no others than their own. */
  readonly ports?: { readonly https: number; readonly federation: number };
  /** As `Math.random`. */
  readonly random?: () => number;
}

export interface PeerClientLimits {
  /** Connections to all servers. */
  readonly maxConnections: number;
  readonly maxConnectionsPerServer: number;
  /** How long a connection without a request is kept. */
  readonly idleMs: number;
  /** Requests that wait or are under way. */
  readonly maxRequests: number;
  readonly maxRequestsPerServer: number;
  /** Of request bodies. */
  readonly maxBytes: number;
  /** Servers whose route, and `.well-known` answer, are remembered. */
  readonly maxKnownServers: number;
  readonly dnsTimeoutMs: number;
  /** For TCP, and again for the TLS handshake. */
  readonly connectTimeoutMs: number;
  /** For each hop of a `.well-known` look-up. */
  readonly wellKnownTimeoutMs: number;
}

export const DEFAULT_LIMITS: PeerClientLimits = {
  maxConnections: 500,
  maxConnectionsPerServer: 2,
  idleMs: 50_000,
  maxRequests: 2000,
  maxRequestsPerServer: 20,
  maxBytes: 64 * 1024 * 1024,
  maxKnownServers: 20_000,
  dnsTimeoutMs: 5000,
  connectTimeoutMs: 10_000,
  wellKnownTimeoutMs: 10_000,
};
