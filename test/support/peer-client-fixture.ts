/**
 * What tests of the client for other servers share: an authority that it trusts, a DNS that it asks, and servers that it finds by them.
 */
import { createPeerClient, type PeerClientOptions } from '../../src/adapters/federation-http/peer-client.ts';
import { MemoryMetrics, SilentLogger } from '../../src/adapters/memory/index.ts';
import { createSystemClock } from '../../src/adapters/system-clock.ts';
import { DEFAULTS } from '../../src/config/defaults.ts';
import { PeerError, type PeerClient, type PeerRequest, type PeerResponse } from '../../src/ports/peer-client.ts';
import { type Authority, type CertificateOptions, createAuthority } from './certificates.ts';
import { type DnsServer, startDnsServer } from './dns-server.ts';
import { type PeerServer, type PeerServerOptions, startPeerServer } from './peer-server.ts';

export interface PeerClientFixture extends AsyncDisposable {
  readonly authority: Authority;
  readonly dns: DnsServer;
  readonly metrics: MemoryMetrics;
  /** A server with a certificate of the authority for these names and addresses. */
  serve(certificate: CertificateOptions, options?: PeerServerOptions): Promise<PeerServer>;
  /** A client that may connect to loopback, trusts the authority and asks the DNS; further ones live beside the first. */
  client(options?: Partial<PeerClientOptions>): PeerClient;
}

export async function startPeerClientFixture(): Promise<PeerClientFixture> {
  const authority = createAuthority();
  const dns = await startDnsServer();
  const metrics = new MemoryMetrics();
  const closing: (() => Promise<void>)[] = [() => dns.close()];
  return {
    authority,
    dns,
    metrics,
    async serve(certificate, options) {
      const server = await startPeerServer(authority.issue(certificate), options);
      closing.push(() => server.close());
      return server;
    },
    client(options = {}) {
      const client = createPeerClient({
        clock: createSystemClock(),
        logger: new SilentLogger(),
        metrics,
        customCas: [authority.cert],
        ipRangeBlacklist: DEFAULTS.ip_range_blacklist,
        ipRangeWhitelist: ['127.0.0.0/8', '::1'],
        dnsServers: [dns.address],
        ...options,
        // Nothing of ours listens there, and nothing of others is to be asked.
        ports: options.ports ?? { https: 1, federation: 1 },
      });
      closing.push(() => client.close());
      return client;
    },
    async [Symbol.asyncDispose]() {
      for (const close of closing.toReversed()) await close();
    },
  };
}

/** A GET that is given ten seconds and a megabyte. */
export function get(
  client: PeerClient,
  destination: string,
  options: Partial<PeerRequest> = {},
): Promise<PeerResponse> {
  return client.request({
    destination,
    method: 'GET',
    uri: '/_matrix/federation/v1/version',
    timeoutMs: 10_000,
    maxResponseBytes: 1024 * 1024,
    ...options,
  });
}

/** The error that a request ends with. @throws Error if it ends well, and whatever is no `PeerError` */
export async function failureOf(request: Promise<PeerResponse>): Promise<PeerError> {
  let response: PeerResponse;
  try {
    response = await request;
  } catch (error) {
    if (error instanceof PeerError) return error;
    throw error;
  }
  throw new Error(`answered with ${response.httpStatus}`);
}
