/**
 * A small internet on loopback: a DNS server, an authority, and for each server name a port and a certificate.
 *
 * Servers find each other as anywhere: by SRV records, over TLS, with the certificate of their name.
 */
import { type Authority, type CertificateOptions, createAuthority } from './certificates.ts';
import { type DnsServer, startDnsServer } from './dns-server.ts';
import { freePort } from './free-port.ts';
import type { TestConfigOptions } from './test-config.ts';

export interface FederationNet extends AsyncDisposable {
  readonly authority: Authority;
  readonly dns: DnsServer;
  /** The port on which `name` is to listen for servers; the same each time. Makes its DNS records. */
  portOf(name: string): Promise<number>;
  /** What a test server called `name` needs: its listener, certificate and how to find others. `options` go on top. */
  server(name: string, options?: NetServerOptions): Promise<TestConfigOptions>;
}

export interface NetServerOptions extends TestConfigOptions {
  readonly certificate?: CertificateOptions;
}

export async function startFederationNet(): Promise<FederationNet> {
  const authority = createAuthority();
  const dns = await startDnsServer();
  const ports = new Map<string, number>();

  const portOf = async (name: string): Promise<number> => {
    const known = ports.get(name);
    if (known !== undefined) return known;
    const port = await freePort();
    ports.set(name, port);
    dns.set(`_matrix-fed._tcp.${name}`, { SRV: [{ name: `host.${name}`, port }] });
    dns.set(`host.${name}`, { A: ['127.0.0.1'] });
    return port;
  };
  return {
    authority,
    dns,
    portOf,
    server: async (name, { certificate = {}, ...options } = {}) => {
      const port = await portOf(name);
      const { cert, key, ca } = authority.issue({ dnsNames: [name], ...certificate });
      return {
        serverName: name,
        ...options,
        files: { 'tls.pem': cert, 'tls.key': key, 'ca.pem': ca, ...options.files },
        listeners: [
          { port, tls: true, bind_addresses: ['127.0.0.1'], resources: [{ names: ['federation'] }] },
          ...(options.listeners ?? []),
        ],
        config: {
          tls_certificate_path: 'tls.pem',
          tls_private_key_path: 'tls.key',
          federation_custom_ca_list: ['ca.pem'],
          federation_dns_servers: [dns.address],
          ip_range_whitelist: ['127.0.0.0/8'],
          federation: { destination_min_retry_interval: '1s' },
          ...options.config,
        },
      };
    },
    [Symbol.asyncDispose]: () => dns.close(),
  };
}
