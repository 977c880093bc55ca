/**
 * Two servers behind two proxies on loopback, configured with the blocks of docs/guide/federation.md.
 *
 * What is changed in them: the certificate files, the address and port of Thalamus, that the proxies listen on one address of loopback
 * only, and example.org is example.net for Caddy.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connect } from 'node:net';
import { parse } from 'yaml';
import { createAuthority } from '../../test/support/certificates.ts';
import { startDnsServer } from '../../test/support/dns-server.ts';
import { freePort } from '../../test/support/free-port.ts';
import { type SpawnedServer, type SpawnOptions, spawnServer } from '../../test/support/spawn-server.ts';
import { until } from '../../test/support/until.ts';

export interface Variant {
  /** Who answers `/.well-known/matrix/server`. */
  readonly wellKnown: 'proxy' | 'thalamus' | 'none';
  /** Whether there are SRV records. */
  readonly srv?: boolean;
  /** @default true */
  readonly xForwarded?: boolean;
  /** No nginx: the first server speaks TLS itself. @default false */
  readonly direct?: boolean;
}

export interface Site {
  readonly name: string;
  readonly proxy: string;
  readonly address: string;
  readonly thalamus: SpawnedServer;
  readonly signingKeyFile: string;
}

export interface Net {
  readonly one: Site;
  readonly two: Site;
  readonly ca: string;
  versions(): Promise<string>;
  /** What the proxies wrote. */
  log(): string;
  end(): Promise<void>;
}

interface Proxy {
  readonly name: string;
  readonly site: string;
  readonly address: string;
}

export const NGINX: Proxy = { name: 'nginx', site: 'example.org', address: '127.0.0.2' };
export const CADDY: Proxy = { name: 'Caddy', site: 'example.net', address: '127.0.0.3' };
const USERS = { alice: `@alice:${NGINX.site}`, bob: `@bob:${CADDY.site}` };

const guide = readFileSync(fileURLToPath(new URL('../../docs/guide/federation.md', import.meta.url)), 'utf8');

/** The blocks of one language in the guide, from a heading on. */
function blocks(language: string, heading: string): readonly string[] {
  const part = guide.slice(guide.indexOf(`\n${heading}\n`));
  return [...part.matchAll(new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``, 'g'))].map(([, text = '']) => text);
}

/** `replaceAll` of something that must be there. */
function put(text: string, what: string | RegExp, by: string): string {
  if (text.split(what).length === 1) throw new Error(`the guide has no ${String(what)}`);
  return text.replaceAll(what, by);
}

export async function createNet(variant: Variant): Promise<Net> {
  const dir = mkdtempSync(join(tmpdir(), 'thalamus-proxies-'));
  const authority = createAuthority('Proxies');
  const dns = await startDnsServer();
  const programs: ChildProcess[] = [];
  const servers: SpawnedServer[] = [];
  let output = '';

  const end = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.stop()));
    for (const program of programs.filter(({ exitCode }) => exitCode === null)) {
      const ended = once(program, 'close');
      program.kill();
      await ended;
    }
    await dns.close();
    rmSync(dir, { recursive: true, force: true });
  };
  const run = async (command: string, args: readonly string[], address: string): Promise<void> => {
    const program = spawn(command, args, { env: { ...process.env, XDG_DATA_HOME: dir, XDG_CONFIG_HOME: dir } });
    programs.push(program);
    for (const stream of [program.stdout, program.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
    await until(async () => {
      if (program.exitCode !== null) throw new Error(`${command} ended: ${output}`);
      return isOpen(address, 443);
    });
  };
  const startSite = async (proxy: Proxy, run: (port: number, files: string) => Promise<void>): Promise<Site> => {
    const { site: name, address } = proxy;
    for (const host of [name, `matrix.${name}`]) dns.set(host, { A: [address] });
    if (variant.srv === true) dns.set(`_matrix-fed._tcp.${name}`, { SRV: [{ name: `matrix.${name}`, port: 8448 }] });
    const files = join(dir, name);
    mkdirSync(files);
    const { cert, key } = authority.issue({ dnsNames: [name, `matrix.${name}`] });
    writeFileSync(join(files, 'fullchain.pem'), cert);
    writeFileSync(join(files, 'privkey.pem'), key);
    const port = await freePort();
    const own = proxy === NGINX && variant.direct === true ? directConfig(port, files) : null;
    const config = { ...(own ?? forwardedConfig(name, port, variant)), ...loopbackConfig(dns.address) };
    const thalamus = await spawnServer(thalamusOptions(name, config, authority.cert));
    servers.push(thalamus);
    await run(port, files);
    const signingKeyFile = join(thalamus.dir, `${name}.signing.key`);
    return { name, proxy: proxy.name, address, thalamus, signingKeyFile };
  };
  try {
    const one = await startSite(NGINX, async (port, files) => {
      if (variant.direct === true) return;
      writeFileSync(join(files, 'nginx.conf'), nginxConfig(port, files, variant));
      await run('nginx', ['-p', files, '-c', join(files, 'nginx.conf'), '-e', 'stderr'], NGINX.address);
    });
    const two = await startSite(CADDY, async (port, files) => {
      writeFileSync(join(files, 'Caddyfile'), caddyConfig(port, files, variant));
      await run('caddy', ['run', '--config', join(files, 'Caddyfile'), '--adapter', 'caddyfile'], CADDY.address);
    });
    return { one, two, ca: authority.cert, versions: programVersions, log: () => output, end };
  } catch (error) {
    await end();
    throw error;
  }
}

function thalamusOptions(serverName: string, config: Readonly<Record<string, unknown>>, ca: string): SpawnOptions {
  const router = {
    module: fileURLToPath(new URL('thalamus-router.ts', import.meta.url)),
    config: { observers: { [USERS.alice]: [USERS.bob], [USERS.bob]: [USERS.alice] }, snapshots: {} },
  };
  return { serverName, modules: [router], files: { 'ca.pem': ca }, config };
}

function forwardedConfig(name: string, port: number, { wellKnown, xForwarded }: Variant): Record<string, unknown> {
  const [printed = ''] = blocks('yaml', '## Behind a reverse proxy');
  const text = put(put(printed, 'example.org', name), 'port: 8008', `port: ${port}`);
  return {
    ...parse(xForwarded === false ? put(text, 'x_forwarded: true', 'x_forwarded: false') : text),
    ...(wellKnown === 'thalamus' ? { serve_server_wellknown: true } : {}),
  };
}

function directConfig(port: number, files: string): Record<string, unknown> {
  const [printed = ''] = blocks('yaml', '## Switch it on');
  const text = put(put(printed, 'port: 8008', `port: ${port}`), ' tls/', ` ${files}/`);
  return parse(put(text, /(port: 8448 .*\n)/g, `$1    bind_addresses: [${NGINX.address}]\n`));
}

function loopbackConfig(dnsServer: string): Record<string, unknown> {
  return {
    federation_custom_ca_list: ['ca.pem'],
    federation_dns_servers: [dnsServer],
    ip_range_whitelist: ['127.0.0.0/8'],
  };
}

function nginxConfig(port: number, files: string, { wellKnown }: Variant): string {
  const [main = '', passed = ''] = blocks('nginx', '### nginx');
  const location = /^ {4}location = [\s\S]*?\n {4}\}\n/m;
  const chosen =
    wellKnown === 'proxy' ? main : put(main, new RegExp(location, 'gm'), wellKnown === 'thalamus' ? passed : '');
  const site = put(
    put(put(chosen, '/etc/ssl/example.org', files), '127.0.0.1:8008', `127.0.0.1:${port}`),
    /listen (\d+) ssl/g,
    `listen ${NGINX.address}:$1 ssl`,
  );
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (what) => `${what}_temp_path ${files}/${what};`,
  );
  return `daemon off; user root; worker_processes 1; pid ${files}/nginx.pid; events {}
http { access_log off; ${temporary.join(' ')}
${site}}
`;
}

function caddyConfig(port: number, files: string, { wellKnown }: Variant): string {
  const [main = '', passed = ''] = blocks('caddy', '### Caddy');
  const chosen =
    wellKnown === 'proxy' ? main : put(main, /^ {4}respond .*\n/gm, wellKnown === 'thalamus' ? passed : '');
  const site = put(put(chosen, 'example.org', CADDY.site), '127.0.0.1:8008', `127.0.0.1:${port}`);
  const own = `    bind ${CADDY.address}\n    tls ${files}/fullchain.pem ${files}/privkey.pem\n`;
  return `{
    admin off
    auto_https disable_redirects
}
${put(site, / \{\n/g, ` {\n${own}`)}`;
}

function isOpen(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host);
    const done = (is: boolean) => {
      socket.destroy();
      resolve(is);
    };
    socket.once('connect', () => done(true)).once('error', () => done(false));
  });
}

async function programVersions(): Promise<string> {
  // nginx -v writes to the standard error output.
  const nginx = execFileSync('sh', ['-c', 'nginx -v 2>&1'])
    .toString()
    .trim()
    .replace(/^.*nginx\//, '');
  const caddy = execFileSync('caddy', ['version']).toString().trim().split(' ')[0];
  return `nginx ${nginx}, Caddy ${caddy}`;
}
