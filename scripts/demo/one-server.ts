/**
 * `npm run demo`: the reference example in a terminal, with a real server process and real Matrix clients, in under a minute.
 *
 * Alice, Bob and Charlie share no room. A module of a few lines sends Bob's and Charlie's presence to Alice.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { styleText } from 'node:util';
import { freePort } from '../../test/support/free-port.ts';
import { type SdkClient, registerSdkClient, sdkClient } from '../../test/support/sdk-client.ts';
import { chapter, name, perform, type Person, say, show, showModule } from './screen.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const examplePath = join(root, 'examples/custom-presence-router/custom-presence-router.ts');
const startedTs = Date.now();

async function startServer(folder: string, baseUrl: string): Promise<ChildProcess> {
  const server = spawn(
    process.execPath,
    [join(root, 'bin/thalamus.js'), 'start', '-c', join(folder, 'thalamus.yaml')],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  let complaints = '';
  server.stderr?.on('data', (chunk: Buffer) => (complaints += chunk.toString()));
  const deadlineTs = Date.now() + 20_000;
  while (Date.now() < deadlineTs) {
    if (server.exitCode !== null)
      throw new Error(`the server stopped with exit code ${server.exitCode}\n${complaints}`);
    const answer = await fetch(`${baseUrl}/health`).catch(() => null);
    if (answer?.ok === true) return server;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`the server did not answer within 20 s\n${complaints}`);
}

async function stopServer(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null) return;
  server.kill('SIGTERM');
  await once(server, 'exit');
}

/** The names are those of the only server here. */
function aliceSees(alice: SdkClient, people: readonly Person[]): void {
  show('alice', alice, Object.fromEntries(people.map((person) => [person, `@${person}:localhost`])));
}

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'thalamus-demo-'));
  const port = await freePort();
  const baseUrl = `http://127.0.0.1:${port}`;
  await writeFile(
    join(folder, 'thalamus.yaml'),
    [
      'server_name: localhost',
      `listeners: [{ port: ${port}, bind_addresses: ["127.0.0.1"], type: http, resources: [{ names: [client, health] }] }]`,
      'database: { name: sqlite3, args: { database: presence.db } }',
      'enable_registration: true',
      'enable_registration_without_verification: true',
      'presence: { sync_online_timeout: "2s", last_active_granularity: "2s", idle_timeout: "4s" }',
      'rc_registration: { per_second: 100, burst_count: 100 }',
      'rc_presence: { per_user: { per_second: 100, burst_count: 100 } }',
      `modules: [{ module: ${JSON.stringify(examplePath)} }]`,
      '',
    ].join('\n'),
  );

  say(styleText(['bold', 'magenta'], 'Thalamus: who is online, and who gets to know'));
  say(styleText('gray', 'A Matrix presence server, four Matrix clients (matrix-js-sdk), no rooms at all.'));

  let server: ChildProcess | undefined;
  const clients: SdkClient[] = [];
  try {
    chapter(1, 'The server starts, with this module:');
    showModule(await readFile(examplePath, 'utf8'));
    server = await startServer(folder, baseUrl);
    say(`   Listening at ${baseUrl}.`);

    chapter(2, 'Four people register and log in. They share no room.');
    const person = async (who: string): Promise<SdkClient> => {
      const client = await registerSdkClient(baseUrl, who);
      clients.push(client);
      return client;
    };
    const alice = await person('alice');
    const bob = await person('bob');
    const charlie = await person('charlie');
    const dora = await person('dora');
    await alice.start();
    aliceSees(alice, ['bob', 'charlie', 'dora']);

    chapter(
      3,
      `${name('bob')}, ${name('charlie')} and ${name('dora')} open their clients. The module watches Bob and Charlie for Alice, nobody watches Dora.`,
    );
    await Promise.all([bob.start(), charlie.start(), dora.start()]);
    await alice.waitFor(bob.userId, 'online', (seen) => seen.presence === 'online');
    await alice.waitFor(charlie.userId, 'online', (seen) => seen.presence === 'online');
    aliceSees(alice, ['bob', 'charlie', 'dora']);

    chapter(4, `${name('bob')} writes a status message.`);
    const beforeTs = performance.now();
    await bob.client.setPresence({ presence: 'online', status_msg: 'on the train' });
    await alice.waitFor(bob.userId, '“on the train”', (seen) => seen.statusMsg === 'on the train');
    aliceSees(alice, ['bob', 'charlie', 'dora']);
    say(
      styleText(
        'gray',
        `   It took ${(performance.now() - beforeTs).toFixed(0)} ms from Bob's request to Alice's client.`,
      ),
    );

    chapter(5, `${name('charlie')} closes the client. (The grace is 2 s here; 30 s by default.)`);
    charlie.stop();
    await alice.waitFor(charlie.userId, 'offline', (seen) => seen.presence === 'offline');
    aliceSees(alice, ['bob', 'charlie', 'dora']);

    chapter(6, `${name('bob')} keeps the client open but does nothing. (Idle after 4 s here; 5 min by default.)`);
    await alice.waitFor(bob.userId, 'unavailable', (seen) => seen.presence === 'unavailable');
    aliceSees(alice, ['bob', 'charlie', 'dora']);

    chapter(7, 'The server restarts. Nothing is forgotten, the clients just carry on.');
    await stopServer(server);
    server = await startServer(folder, baseUrl);
    alice.client.retryImmediately();
    const bobAgain = sdkClient(baseUrl, bob.userId, bob.accessToken);
    clients.push(bobAgain);
    bob.stop();
    await bobAgain.client.setPresence({ presence: 'online', status_msg: 'back again' });
    await bobAgain.start();
    await alice.waitFor(bob.userId, '“back again”', (seen) => seen.statusMsg === 'back again', 20_000);
    aliceSees(alice, ['bob', 'charlie', 'dora']);

    say();
    say(
      styleText('green', `Done in ${((Date.now() - startedTs) / 1000).toFixed(0)} s.`) +
        ' Next: write your own with docs/guide/your-first-router.md.',
    );
  } finally {
    for (const client of clients) client.stop();
    if (server !== undefined) await stopServer(server);
    await rm(folder, { recursive: true, force: true });
  }
}

await perform(main);
