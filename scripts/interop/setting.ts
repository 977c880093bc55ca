/**
 * Two servers of two makes on loopback, each with a module that sends the presence of some users to some others, and no room anywhere.
 *
 * `alice`, `dora` and `carol` are here (`carol` on a third server, Thalamus as well), `bob` and `dirk` on Synapse.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Agent, fetch } from 'undici';
import { type Authority, createAuthority, type IssuedCertificate } from '../../test/support/certificates.ts';
import { freePort } from '../../test/support/free-port.ts';
import { type SpawnedServer, spawnServer } from '../../test/support/spawn-server.ts';
import { createClientHelpers, type TestUser } from '../../test/support/test-client.ts';
import { createSynapse, type RouterConfig, type SynapseServer } from './synapse-server.ts';

export interface Setting {
  readonly thalamus: SpawnedServer;
  readonly synapse: SynapseServer;
  /** Server names, `localhost:<port>`. */
  readonly names: { readonly thalamus: string; readonly synapse: string };
  readonly users: Readonly<Record<'alice' | 'dora' | 'bob' | 'dirk', TestUser>>;
  /** What Thalamus shows to other servers from its next start, or SIGHUP, on. */
  writeCertificate(which: 'good' | 'of another name'): void;
  /** The file with the signing keys of Thalamus; without the last line break. */
  readSigningKeys(): string;
  writeSigningKeys(text: string): void;
  /** Asks a server, as other servers do, and returns the JSON. */
  // oxlint-disable-next-line typescript/no-explicit-any -- answers of any shape
  ask(server: string, path: string, body?: unknown): Promise<any>;
  /** Starts a third server, whose user carol is shown to bob. */
  startThird(): Promise<{ readonly server: SpawnedServer; readonly carol: TestUser }>;
  end(): Promise<void>;
}

export async function createSetting(root: string): Promise<Setting> {
  const [thalamusPort, synapsePort, clientPort, thirdPort] = await Promise.all(Array.from({ length: 4 }, freePort));
  if (thirdPort === undefined || clientPort === undefined || synapsePort === undefined) throw new Error('no ports');
  const names = { thalamus: `localhost:${thalamusPort}`, synapse: `localhost:${synapsePort}` };
  const third = `localhost:${thirdPort}`;
  const authority = createAuthority('Interoperation');
  const certificate = authority.issue({ dnsNames: ['localhost'], ips: ['127.0.0.1'] });

  const [alice, dora, carol] = [`@alice:${names.thalamus}`, `@dora:${names.thalamus}`, `@carol:${third}`];
  const [bob, dirk] = [`@bob:${names.synapse}`, `@dirk:${names.synapse}`];
  const both = { [alice]: [bob], [bob]: [alice] };
  const here: RouterConfig = { observers: { ...both, [dirk]: [alice] }, snapshots: { [bob]: [dora] } };
  const there: RouterConfig = {
    observers: { ...both, [dora]: [bob], [carol]: [bob] },
    snapshots: { [alice]: [dirk] },
  };

  const synapse = createSynapse({
    root,
    clientPort,
    federationPort: synapsePort,
    certificate,
    router: there,
    keyServers: [names.thalamus],
  });
  await synapse.start();
  const thalamus = await startThalamus(names.thalamus, certificate, here);
  const onSynapse = createClientHelpers(synapse.baseUrl, names.synapse);
  const signingKeyFile = join(thalamus.dir, `${names.thalamus}.signing.key`);
  return {
    thalamus,
    synapse,
    names,
    users: {
      alice: await thalamus.register('alice'),
      dora: await thalamus.register('dora'),
      bob: await onSynapse.register('bob'),
      dirk: await onSynapse.register('dirk'),
    },
    writeCertificate: (which) => {
      const { cert, key } = which === 'good' ? certificate : authority.issue({ dnsNames: ['elsewhere.example'] });
      writeFileSync(join(thalamus.dir, 'tls.pem'), cert);
      writeFileSync(join(thalamus.dir, 'tls.key'), key);
    },
    readSigningKeys: () => readFileSync(signingKeyFile, 'utf8').trimEnd(),
    writeSigningKeys: (text) => writeFileSync(signingKeyFile, `${text}\n`),
    ask: asking(authority),
    startThird: async () => {
      const server = await startThalamus(third, certificate, { observers: { [carol]: [bob] }, snapshots: {} });
      return { server, carol: await server.register('carol') };
    },
    end: async () => {
      await Promise.all([synapse.end('SIGKILL'), thalamus.stop()]);
    },
  };
}

function startThalamus(serverName: string, certificate: IssuedCertificate, router: RouterConfig) {
  const port = Number(serverName.split(':')[1]);
  return spawnServer({
    serverName,
    modules: [{ module: fileURLToPath(new URL('thalamus-router.ts', import.meta.url)), config: router }],
    files: { 'tls.pem': certificate.cert, 'tls.key': certificate.key, 'ca.pem': certificate.ca },
    config: {
      tls_certificate_path: 'tls.pem',
      tls_private_key_path: 'tls.key',
      federation_custom_ca_list: ['ca.pem'],
      ip_range_whitelist: ['127.0.0.0/8', '::1/128'],
      // Users are online here by their word alone, however long the other server takes to start.
      presence: { sync_online_timeout: '10m' },
      // So that nobody has to wait for ten minutes.
      federation: { client_timeout: '3s', destination_min_retry_interval: '2s' },
    },
    listeners: [{ port, tls: true, bind_addresses: ['127.0.0.1'], resources: [{ names: ['federation'] }] }],
  });
}

function asking(authority: Authority): Setting['ask'] {
  return async (server, path, body) => {
    const agent = new Agent({ connect: { ca: authority.cert } });
    try {
      const response = await fetch(`https://${server.replace('localhost', '127.0.0.1')}${path}`, {
        dispatcher: agent,
        ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
      });
      if (!response.ok) throw new Error(`${server}${path} answers ${response.status}: ${await response.text()}`);
      return await response.json();
    } finally {
      await agent.close();
    }
  };
}
