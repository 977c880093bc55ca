/**
 * Thalamus and a homeserver that nobody here wrote: presence both ways, over real TLS, by modules on both sides, with no room between.
 *
 *     sudo scripts/interop/install-synapse.sh /path/to/folder
 *     sudo node scripts/run-ts.mjs scripts/interop/interoperation.ts /path/to/folder
 *
 * Not part of the tests: it needs root (for chroot) and Debian's packages. See docs/guide/interoperation.md.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../../test/support/until.ts';
import { createSetting, type Setting } from './setting.ts';
import { conclude, expectEqual, firstSight, follow, hasFailed, type Sees, say, step } from './steps.ts';

interface Eyes {
  readonly aliceSees: Sees;
  readonly bobSees: Sees;
}

async function presenceBothWays({ users: { alice, bob } }: Setting, { aliceSees, bobSees }: Eyes): Promise<void> {
  await step('alice → bob: online with a status', async () => {
    await alice.setPresence('online', 'hello from Thalamus');
    await bobSees({ presence: 'online', status_msg: 'hello from Thalamus', currently_active: true });
  });
  await step('bob → alice: online with a status', async () => {
    await bob.setPresence('online', 'hello from Synapse');
    await aliceSees({ presence: 'online', status_msg: 'hello from Synapse', currently_active: true });
  });
  await step('alice → bob: unavailable', async () => {
    await alice.setPresence('unavailable', 'lunch');
    await bobSees({ presence: 'unavailable', status_msg: 'lunch' });
  });
  await step('bob → alice: unavailable', async () => {
    await bob.setPresence('unavailable', 'lunch, too');
    await aliceSees({ presence: 'unavailable', status_msg: 'lunch, too' });
  });
}

async function snapshots({ users: { alice, bob, dora, dirk } }: Setting, { aliceSees, bobSees }: Eyes): Promise<void> {
  await step('sendLocalOnlinePresenceTo here: bob sees dora, of whom nothing was sent before', async () => {
    await dora.setPresence('online', 'only in the snapshot');
    await alice.setPresence('online', 'after dora');
    await bobSees({ status_msg: 'after dora' });
    expectEqual((await firstSight(bob, dora.userId))?.presence ?? 'offline', 'offline');
    await alice.setPresence('online', 'everybody');
    await follow(bob, dora.userId)({ presence: 'online', status_msg: 'only in the snapshot' });
  });
  await step('send_local_online_presence_to there: alice sees dirk, of whom nothing was sent before', async () => {
    // Synapse's call fails while it knows the user who is to see them to be anything but offline.
    await alice.setPresence('offline');
    await bobSees({ presence: 'offline' });
    await dirk.setPresence('online', 'only in the snapshot');
    await bob.setPresence('online', 'after dirk');
    await aliceSees({ status_msg: 'after dirk' });
    expectEqual((await firstSight(alice, dirk.userId))?.presence ?? 'offline', 'offline');
    await bob.setPresence('online', 'everybody');
    await follow(alice, dirk.userId)({ presence: 'online', status_msg: 'only in the snapshot' });
  });
}

async function outages(
  { thalamus, synapse, users: { alice, bob } }: Setting,
  { aliceSees, bobSees }: Eyes,
): Promise<void> {
  await step('Synapse is held up (SIGSTOP) for 8 s, alice changes three times: bob sees the last', async () => {
    synapse.signal('SIGSTOP');
    for (const status of ['one', 'two', 'three']) {
      await alice.setPresence('online', `held up, ${status}`);
      await sleep(1000);
    }
    await sleep(5000);
    synapse.signal('SIGCONT');
    await bobSees({ presence: 'online', status_msg: 'held up, three' });
  });
  await step('Thalamus is held up (SIGSTOP) for 8 s, bob changes three times: alice sees the last', async () => {
    thalamus.program.child.kill('SIGSTOP');
    for (const status of ['one', 'two', 'three']) {
      await bob.setPresence('online', `held up, ${status}`);
      await sleep(1000);
    }
    await sleep(5000);
    thalamus.program.child.kill('SIGCONT');
    await aliceSees({ status_msg: 'held up, three' });
  });
  await step('Synapse stops (SIGTERM), alice changes three times, Synapse starts: bob sees the last', async () => {
    await synapse.end();
    for (const status of ['one', 'two', 'three']) await alice.setPresence('online', status);
    await sleep(3000);
    await synapse.start();
    await bobSees({ presence: 'online', status_msg: 'three' });
  });
  await step('Thalamus is killed (SIGKILL) at a change, and starts: bob sees it', async () => {
    await alice.setPresence('unavailable', 'just before the end');
    await thalamus.kill();
    await thalamus.restart();
    await bobSees({ presence: 'unavailable', status_msg: 'just before the end' });
  });
  await step('Thalamus stops (SIGTERM), bob changes, Thalamus starts: alice sees it', async () => {
    await thalamus.terminate();
    await bob.setPresence('online', 'nobody there?');
    await sleep(1000);
    await thalamus.restart();
    await aliceSees({ status_msg: 'nobody there?' });
  });
  await step('bob changes twenty times, and Thalamus starts again in the middle: alice sees the last', async () => {
    const restarted = thalamus.terminate().then(() => thalamus.restart());
    for (let count = 1; count <= 20; count++) {
      await bob.setPresence('online', `number ${count}`);
      await sleep(100);
    }
    await restarted;
    await aliceSees({ status_msg: 'number 20' });
  });
}

async function pause(
  { thalamus, synapse, users: { alice, bob } }: Setting,
  { aliceSees, bobSees }: Eyes,
): Promise<void> {
  await step(
    'Synapse, which gives up at the first failure here, pauses; a request of Thalamus ends the pause',
    async () => {
      await synapse.end();
      synapse.changeConfig({ federation: { max_long_retries: 0 } });
      await synapse.start();
      await bob.setPresence('online', 'before');
      await aliceSees({ status_msg: 'before' });
      await thalamus.terminate();
      await bob.setPresence('online', 'while Thalamus is away');
      await sleep(5000);
      await thalamus.restart();
      await bob.setPresence('online', 'in the pause');
      await sleep(5000);
      say(`      in the pause alice sees of bob: "${(await firstSight(alice, bob.userId))?.status_msg}"`);
      await alice.setPresence('online', 'I am back');
      await bobSees({ status_msg: 'I am back' });
      await sleep(5000);
      say(`      after a request of Thalamus: "${(await firstSight(alice, bob.userId))?.status_msg}"`);
      await bob.setPresence('online', 'welcome back');
      await aliceSees({ status_msg: 'welcome back' });
    },
  );
}

async function certificates(setting: Setting, { aliceSees, bobSees }: Eyes): Promise<void> {
  const { thalamus, synapse, users } = setting;
  const useCertificate = async (which: 'good' | 'of another name'): Promise<void> => {
    const reads = (): number => thalamus.program.stdout().match(/"msg":"configuration read again/g)?.length ?? 0;
    const before = reads();
    setting.writeCertificate(which);
    thalamus.program.child.kill('SIGHUP');
    await until(() => reads() > before);
  };
  await step('a certificate of another name here: Synapse refuses to send', async () => {
    // Connections that Synapse has open are as good as before.
    await thalamus.terminate();
    await thalamus.restart();
    await useCertificate('of another name');
    const alreadySaid = synapse.log().length;
    await users.bob.setPresence('unavailable', 'whom do I talk to?');
    await until(() => /certificate verify failed|VerificationError/.test(synapse.log().slice(alreadySaid)), 30_000);
    expectEqual((await firstSight(users.alice, users.bob.userId))?.status_msg === 'whom do I talk to?', false);
  });
  await step('meanwhile alice → bob works', async () => {
    await users.alice.setPresence('online', 'my requests are signed');
    await bobSees({ presence: 'online', status_msg: 'my requests are signed' });
  });
  await step('the right certificate and SIGHUP: alice sees what bob changed', async () => {
    await useCertificate('good');
    await aliceSees({ status_msg: 'whom do I talk to?' });
  });
}

interface KeyDocument {
  readonly verify_keys: Readonly<Record<string, { readonly key: string }>>;
  readonly old_verify_keys: Readonly<Record<string, { readonly key: string; readonly expired_ts: number }>>;
}

async function keys(setting: Setting, { aliceSees, bobSees }: Eyes): Promise<void> {
  const { thalamus, synapse, names, users } = setting;
  const keysOf = async (server: string): Promise<KeyDocument> => setting.ask(server, '/_matrix/key/v2/server');
  const expired = ({ verify_keys: current }: KeyDocument) =>
    Object.fromEntries(Object.entries(current).map(([id, { key }]) => [id, { key, expired_ts: Date.now() }]));
  const knownTo = async (keyServer: string, server: string): Promise<readonly string[]> => {
    const ids = Object.keys((await keysOf(server)).verify_keys);
    const criteria = { minimum_valid_until_ts: Date.now() };
    const question = { server_keys: { [server]: Object.fromEntries(ids.map((id) => [id, criteria])) } };
    const body: { server_keys?: KeyDocument[] } = await setting.ask(keyServer, '/_matrix/key/v2/query', question);
    return Object.keys(body.server_keys?.[0]?.verify_keys ?? {});
  };

  await step('a new first line in the signing key file: Synapse fetches the key, bob sees alice', async () => {
    const old = setting.readSigningKeys();
    await thalamus.terminate();
    setting.writeSigningKeys(`ed25519 b_new ${Buffer.alloc(32, 7).toString('base64').replace(/=+$/, '')}\n${old}`);
    await thalamus.restart();
    expectEqual(Object.keys((await keysOf(names.thalamus)).verify_keys).length, 2);
    await users.alice.setPresence('online', 'signed with a new key');
    await bobSees({ status_msg: 'signed with a new key' });
  });
  await step(
    'both exchange their signing key files, the old keys are in old_signing_keys: both ways work',
    async () => {
      const [ours, theirs] = [setting.readSigningKeys().split('\n')[1], readFileSync(synapse.signingKeyFile, 'utf8')];
      const [oldHere, oldThere] = [expired(await keysOf(names.thalamus)), expired(await keysOf(names.synapse))];
      await Promise.all([thalamus.terminate(), synapse.end()]);
      setting.writeSigningKeys(theirs.trimEnd());
      writeFileSync(synapse.signingKeyFile, `${ours}\n`);
      thalamus.changeConfig({ old_signing_keys: oldHere });
      synapse.changeConfig({ old_signing_keys: oldThere });
      await Promise.all([thalamus.restart(), synapse.start()]);
      const [here, there] = [await keysOf(names.thalamus), await keysOf(names.synapse)];
      expectEqual(Object.keys(here.verify_keys), Object.keys(oldThere));
      expectEqual(Object.keys(here.old_verify_keys).length, 2);
      expectEqual(Object.keys(there.verify_keys).length, 1);
      await users.alice.setPresence('online', 'signed with your key');
      await bobSees({ status_msg: 'signed with your key' });
      await users.bob.setPresence('online', 'signed with yours');
      await aliceSees({ status_msg: 'signed with yours' });
    },
  );
  await step("each tells the other's keys, as key servers do", async () => {
    expectEqual(await knownTo(names.thalamus, names.synapse), Object.keys((await keysOf(names.synapse)).verify_keys));
    expectEqual(await knownTo(names.synapse, names.thalamus), Object.keys((await keysOf(names.thalamus)).verify_keys));
  });
  await step(
    'carol of a third server → bob: Synapse takes her key from Thalamus, which it trusts as a key server',
    async () => {
      const asked = (): number => thalamus.program.stdout().match(/\/_matrix\/key\/v2\/query/g)?.length ?? 0;
      const before = asked();
      const { server, carol } = await setting.startThird();
      try {
        await carol.setPresence('online', 'you do not know me');
        await follow(users.bob, carol.userId)({ status_msg: 'you do not know me' });
        if (asked() === before) throw new Error('nobody asked Thalamus');
      } finally {
        await server.stop();
      }
    },
  );
}

async function goodNight({ users: { alice, bob } }: Setting, { aliceSees, bobSees }: Eyes): Promise<void> {
  await step('alice → bob: offline', async () => {
    await alice.setPresence('offline', 'good night');
    await bobSees({ presence: 'offline', status_msg: 'good night' });
  });
  await step('bob → alice: offline', async () => {
    await bob.setPresence('offline', 'good night');
    await aliceSees({ presence: 'offline', status_msg: 'good night' });
  });
}

const PARTS = { presenceBothWays, snapshots, outages, pause, certificates, keys, goodNight };

async function main(root: string, wanted: readonly string[]): Promise<void> {
  const setting = await createSetting(root);
  const { users, names, synapse, thalamus } = setting;
  try {
    for (const [server, software] of Object.entries(names)) {
      const answer = await setting.ask(software, '/_matrix/federation/v1/version');
      say(`${server}: ${JSON.stringify(answer['server'])} at https://${software}`);
    }
    const eyes = { aliceSees: follow(users.alice, users.bob.userId), bobSees: follow(users.bob, users.alice.userId) };
    for (const [part, run] of Object.entries(PARTS))
      if (wanted.length === 0 || wanted.includes(part)) await run(setting, eyes);
  } finally {
    if (hasFailed()) {
      writeFileSync('interoperation-synapse.log', synapse.log());
      writeFileSync('interoperation-thalamus.log', thalamus.program.stdout());
      say('The logs are in interoperation-synapse.log and interoperation-thalamus.log.');
    }
    await setting.end();
  }
  conclude();
}

const [root, ...wanted] = process.argv.slice(2).filter((argument) => !argument.endsWith('.ts'));
if (root === undefined) throw new Error('usage: interoperation.ts /path/to/folder [part …]');
await main(root, wanted);
