/**
 * `npm run demo:federation`: the reference example across two servers, with real TLS and real Matrix clients, on this machine only.
 *
 * Bob is on the server "two", Alice on the server "one". They share no room; the same module runs on both servers.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { styleText } from 'node:util';
import { type FederationNet, startFederationNet } from '../../test/support/federation-net.ts';
import { registerSdkClient, type SdkClient } from '../../test/support/sdk-client.ts';
import { type SpawnedServer, spawnServer } from '../../test/support/spawn-server.ts';
import { chapter, name, perform, say, show, showModule } from './screen.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const example = 'examples/custom-presence-router/custom-presence-router.ts';
const startedTs = Date.now();

const ALICE = '@alice:one';
const BOB = '@bob:two';

async function start(net: FederationNet, serverName: string): Promise<SpawnedServer> {
  const options = await net.server(serverName, {
    modules: [{ module: example, config: { watcher: ALICE, watched: [BOB] } }],
    config: {},
  });
  return spawnServer({
    ...options,
    config: {
      ...options.config,
      presence: { sync_online_timeout: '2s', last_active_granularity: '2s', idle_timeout: '1m' },
      log: { level: 'info', format: 'json' },
    },
  });
}

async function main(): Promise<void> {
  say(styleText(['bold', 'magenta'], 'Thalamus: presence between servers'));
  say(
    styleText(
      'gray',
      'Two Matrix presence servers, "one" and "two", two Matrix clients (matrix-js-sdk), no rooms at all.',
    ),
  );

  const net = await startFederationNet();
  const held: AsyncDisposable[] = [net];
  const clients: SdkClient[] = [];
  try {
    chapter(1, 'Both servers start, each with this module: alice:one watches bob:two.');
    showModule(await readFile(join(root, example), 'utf8'));
    const [one, two] = await Promise.all([start(net, 'one'), start(net, 'two')]);
    held.push(one, two);
    for (const server of [one, two]) {
      const port = await net.portOf(server.serverName);
      say(
        `   "${server.serverName}" listens for servers at https://127.0.0.1:${port}, which DNS (SRV) says to those who ask.`,
      );
    }

    chapter(2, `${name('alice')} registers on "one", ${name('bob')} on "two".`);
    const alice = await registerSdkClient(one.baseUrl, 'alice');
    const bob = await registerSdkClient(two.baseUrl, 'bob');
    clients.push(alice, bob);
    await alice.start();
    const aliceSees = (): void => show('alice', alice, { bob: BOB });
    aliceSees();

    chapter(3, `${name('bob')} opens the client. "two" signs the news and sends it to "one", which asks its module.`);
    await bob.start();
    await alice.waitFor(BOB, 'online', (seen) => seen.presence === 'online');
    aliceSees();

    chapter(4, `${name('bob')} writes a status message.`);
    const beforeTs = performance.now();
    await bob.client.setPresence({ presence: 'online', status_msg: 'on the train' });
    await alice.waitFor(BOB, '“on the train”', (seen) => seen.statusMsg === 'on the train');
    aliceSees();
    const tookMs = (performance.now() - beforeTs).toFixed(0);
    say(styleText('gray', `   It took ${tookMs} ms from Bob's request to Alice's client.`));

    chapter(5, '"one" is killed (SIGKILL). Bob changes his status; "one" comes back and gets what it missed.');
    await one.kill();
    await bob.client.setPresence({ presence: 'online', status_msg: 'nobody there?' });
    await bob.client.setPresence({ presence: 'online', status_msg: 'lunch' });
    await one.restart();
    alice.client.retryImmediately();
    await alice.waitFor(BOB, '“lunch”', (seen) => seen.statusMsg === 'lunch', 30_000);
    aliceSees();

    chapter(6, `${name('bob')} closes the client. (The grace is 2 s here; 30 s by default.)`);
    bob.stop();
    await alice.waitFor(BOB, 'offline', (seen) => seen.presence === 'offline', 30_000);
    aliceSees();

    say();
    say(
      styleText('green', `Done in ${((Date.now() - startedTs) / 1000).toFixed(0)} s.`) +
        ' Next: let your own server federate with docs/guide/federation.md.',
    );
  } finally {
    for (const client of clients) client.stop();
    for (const thing of held.toReversed()) await thing[Symbol.asyncDispose]();
  }
}

await perform(main);
