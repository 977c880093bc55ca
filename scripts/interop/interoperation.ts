/**
 * Thalamus and a homeserver that nobody here wrote: presence both ways, over real TLS, by modules on both sides, with no room between.
 *
 *     sudo scripts/interop/install-synapse.sh /path/to/folder
 *     sudo node scripts/run-ts.mjs scripts/interop/interoperation.ts /path/to/folder
 *
 * Not part of the tests: it needs root (for chroot) and Debian's packages. See docs/guide/interoperation.md.
 */
import { createAuthority } from '../../test/support/certificates.ts';
import { freePort } from '../../test/support/free-port.ts';
import { spawnServer } from '../../test/support/spawn-server.ts';
import { createClientHelpers, type PresenceContent, type TestUser } from '../../test/support/test-client.ts';
import { createSynapse } from './synapse-server.ts';

const WITHIN_MS = 90_000;

const router = `
export default class InteropRouter {
  #observers;
  constructor(config, api) {
    this.#observers = config.observers;
    api.registerPresenceRouterCallbacks({
      getUsersForStates: (states) => {
        const users = {};
        for (const state of states) for (const observer of this.#observers[state.userId] ?? []) (users[observer] ??= []).push(state);
        return users;
      },
      getInterestedUsers: (userId) =>
        Object.keys(this.#observers).filter((source) => this.#observers[source].includes(userId)),
    });
  }
}
`;

let failures = 0;

async function step(title: string, action: () => Promise<unknown>): Promise<void> {
  const startTs = Date.now();
  try {
    await action();
    process.stdout.write(`ok    ${title} (${Date.now() - startTs} ms)\n`);
  } catch (error) {
    failures++;
    process.stdout.write(`FAIL  ${title}: ${error instanceof Error ? error.message : String(error)}\n`);
  }
}

/** Follows one user's presence with long polls, over restarts of the server. */
function follow(observer: TestUser, userId: string): (wanted: Partial<PresenceContent>) => Promise<void> {
  let since: string | undefined;
  return async (wanted) => {
    const deadlineTs = Date.now() + WITHIN_MS;
    const matches = (content: PresenceContent): boolean =>
      Object.entries(wanted).every(([key, value]) => content[key as keyof PresenceContent] === value);
    for (;;) {
      try {
        const found = await observer.waitForPresence(userId, matches, {
          ...(since === undefined ? {} : { since }),
          withinMs: deadlineTs - Date.now(),
          set_presence: 'offline',
        });
        since = found.since;
        return;
      } catch (error) {
        // Only a server that is down is waited for.
        if (Date.now() > deadlineTs || !String(error).includes('fetch failed')) throw error;
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
    }
  };
}

async function main(root: string): Promise<void> {
  const [thalamusPort, synapsePort, synapseClientPort] = [await freePort(), await freePort(), await freePort()];
  const authority = createAuthority('Interoperation');
  const certificate = authority.issue({ dnsNames: ['localhost'], ips: ['127.0.0.1'] });
  const alice = `@alice:localhost:${thalamusPort}`;
  const bob = `@bob:localhost:${synapsePort}`;
  const observers = { [alice]: [bob], [bob]: [alice] };

  const synapse = createSynapse({
    root,
    clientPort: synapseClientPort,
    federationPort: synapsePort,
    certificate,
    observers,
  });
  await synapse.start();
  const thalamus = await spawnServer({
    serverName: `localhost:${thalamusPort}`,
    modules: [{ source: router, config: { observers } }],
    files: { 'tls.pem': certificate.cert, 'tls.key': certificate.key, 'ca.pem': certificate.ca },
    config: {
      tls_certificate_path: 'tls.pem',
      tls_private_key_path: 'tls.key',
      federation_custom_ca_list: ['ca.pem'],
      ip_range_whitelist: ['127.0.0.0/8', '::1/128'],
      federation: { destination_min_retry_interval: '2s' },
    },
    listeners: [
      { port: thalamusPort, tls: true, bind_addresses: ['127.0.0.1'], resources: [{ names: ['federation'] }] },
    ],
  });
  try {
    const onAlice = await thalamus.register('alice');
    const onBob = await createClientHelpers(synapse.baseUrl, `localhost:${synapsePort}`).register('bob');
    const aliceSees = follow(onAlice, bob);
    const bobSees = follow(onBob, alice);

    await step('alice → bob: online with a status', async () => {
      await onAlice.setPresence('online', 'hello from Thalamus');
      await bobSees({ presence: 'online', status_msg: 'hello from Thalamus', currently_active: true });
    });
    await step('bob → alice: online with a status', async () => {
      await onBob.setPresence('online', 'hello from Synapse');
      await aliceSees({ presence: 'online', status_msg: 'hello from Synapse', currently_active: true });
    });
    await step('alice → bob: unavailable', async () => {
      await onAlice.setPresence('unavailable', 'lunch');
      await bobSees({ presence: 'unavailable', status_msg: 'lunch' });
    });
    await step('bob → alice: unavailable', async () => {
      await onBob.setPresence('unavailable', 'lunch, too');
      await aliceSees({ presence: 'unavailable', status_msg: 'lunch, too' });
    });
    await step(
      'Synapse is stopped (SIGTERM), alice changes three times, Synapse starts: bob sees the last',
      async () => {
        await synapse.end();
        for (const status of ['one', 'two', 'three']) await onAlice.setPresence('online', status);
        await new Promise((resolve) => setTimeout(resolve, 3000));
        await synapse.start();
        await bobSees({ presence: 'online', status_msg: 'three' });
      },
    );
    await step('Thalamus is killed (SIGKILL) at a change, and starts: bob sees it', async () => {
      await onAlice.setPresence('unavailable', 'just before the end');
      await thalamus.kill();
      await thalamus.restart();
      await bobSees({ presence: 'unavailable', status_msg: 'just before the end' });
    });
    await step('bob → alice after that: a change', async () => {
      await onBob.setPresence('online', 'still here');
      await aliceSees({ presence: 'online', status_msg: 'still here' });
    });
    await step('alice → bob: offline', async () => {
      await onAlice.setPresence('offline', 'good night');
      await bobSees({ presence: 'offline', status_msg: 'good night' });
    });
    await step('bob → alice: offline', async () => {
      await onBob.setPresence('offline', 'good night');
      await aliceSees({ presence: 'offline', status_msg: 'good night' });
    });
  } finally {
    if (failures > 0)
      process.stdout.write(
        `${synapse.log().split('\n').slice(-60).join('\n')}\n${thalamus.program.stdout().slice(-6000)}\n`,
      );
    await Promise.all([synapse.end('SIGKILL'), thalamus.stop()]);
  }
  process.stdout.write(failures === 0 ? 'all steps passed\n' : `${failures} steps failed\n`);
  process.exitCode = failures === 0 ? 0 : 1;
}

const [root] = process.argv.slice(2).filter((argument) => !argument.endsWith('.ts'));
if (root === undefined) throw new Error('usage: interoperation.ts /path/to/folder');
await main(root);
