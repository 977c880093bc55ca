/**
 * Tries what docs/guide/federation.md says about reverse proxies: one server behind nginx, one behind Caddy, and presence between them.
 *
 *     sudo node scripts/run-ts.mjs scripts/interop/proxies.ts
 *
 * The configurations are the blocks of the guide. They run on 127.0.0.2 and 127.0.0.3, on the ports that are printed there: hence root.
 */
import { Agent, fetch } from 'undici';
import { canonicalJson } from '../../src/matrix/canonical-json.ts';
import { authorizationHeader } from '../../src/federation/signing/authorization.ts';
import { loadOrCreateSigningKey } from '../../src/federation/keys/signing-key-file.ts';
import { CADDY, createNet, type Net, NGINX, type Site, type Variant } from './proxy-net.ts';
import { conclude, expectEqual, follow, say, step } from './steps.ts';

/** More requests at once than one address may make without proving who it is. */
const NOISE = 150;

interface AskOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** An address of loopback. */
  readonly from?: string;
  readonly port?: number;
}

/** A request over TLS to a name of the site, at the proxy. */
async function ask(net: Net, site: Site, host: string, path: string, options: AskOptions = {}) {
  const { method = 'GET', headers = {}, body, from = '127.0.0.1', port = 443 } = options;
  const agent = new Agent({
    localAddress: from,
    connect: {
      ca: net.ca,
      lookup: (_name, { all }, callback) => {
        if (all === true) callback(null, [{ address: site.address, family: 4 }]);
        else callback(null, site.address, 4);
      },
    },
  });
  try {
    const url = `https://${host}:${port}${path}`;
    const response = await fetch(url, { dispatcher: agent, method, headers, ...(body === undefined ? {} : { body }) });
    await response.text();
    return response;
  } finally {
    await agent.close();
  }
}

/** A transaction that `other` signs. */
function transaction(net: Net, site: Site, other: Site, txnId: string, edus: readonly object[]) {
  const [key] = loadOrCreateSigningKey(other.signingKeyFile);
  if (key === undefined) throw new Error('no key');
  const uri = `/_matrix/federation/v1/send/${txnId}`;
  const content = { origin: other.name, origin_server_ts: Date.now(), pdus: [], edus };
  const signed = { method: 'PUT', uri, origin: other.name, destination: site.name, content, key };
  const headers = { authorization: authorizationHeader(signed), 'content-type': 'application/json' };
  return ask(net, site, `matrix.${site.name}`, uri, { method: 'PUT', headers, body: canonicalJson(content) });
}

/** The status of a request that cannot be proved: it names a server that does not exist. */
async function noise(net: Net, site: Site, from: string, more: Readonly<Record<string, string>> = {}): Promise<number> {
  const claim = `X-Matrix origin="nobody.invalid",destination="${site.name}",key="ed25519:a",sig="${'A'.repeat(86)}"`;
  const options = { method: 'PUT', body: '{}', from, headers: { authorization: claim, ...more } };
  return (await ask(net, site, `matrix.${site.name}`, '/_matrix/federation/v1/send/noise', options)).status;
}

async function presenceBothWays(net: Net, how: string): Promise<void> {
  const [alice, bob] = [await net.one.thalamus.register('alice'), await net.two.thalamus.register('bob')];
  const [aliceSees, bobSees] = [follow(alice, bob.userId), follow(bob, alice.userId)];
  await step(`${how}: ${alice.userId} → ${bob.userId}`, async () => {
    await alice.setPresence('online', how);
    await bobSees({ presence: 'online', status_msg: how });
  });
  await step(`${how}: and back`, async () => {
    await bob.setPresence('unavailable', how);
    await aliceSees({ presence: 'unavailable', status_msg: how });
  });
}

async function requests(net: Net): Promise<void> {
  for (const [site, other] of [[net.one, net.two] as const, [net.two, net.one] as const]) {
    const matrix = `matrix.${site.name}`;
    await step(`${site.proxy}: keys and version, on 443 and 8448`, async () => {
      for (const [host, port] of [[matrix, 443] as const, [site.name, 8448] as const]) {
        expectEqual((await ask(net, site, host, '/_matrix/key/v2/server', { port })).status, 200);
        expectEqual((await ask(net, site, host, '/_matrix/federation/v1/version', { port })).status, 200);
      }
    });
    await step(`${site.proxy}: paths arrive as they were sent and signed`, async () => {
      for (const txnId of ['a%2Fb', '%41%7e~', 'with%20space', "(!)*'", '%C3%A9', 'a%25b', 'a+b', '%e2%82%ac']) {
        const { status } = await transaction(net, site, other, txnId, []);
        expectEqual([txnId, status], [txnId, 200]);
      }
    });
    await step(`${site.proxy}: a transaction of almost 10 MiB is taken`, async () => {
      const edus = Array.from({ length: 99 }, () => ({
        edu_type: 'example.big',
        content: { text: 'x'.repeat(105_000) },
      }));
      expectEqual((await transaction(net, site, other, 'big', edus)).status, 200);
    });
    await step(`${site.proxy}: a client's long poll of 65 s is answered after that time`, async () => {
      const user = await site.thalamus.register('patient');
      const { next_batch: since } = await user.sync({ set_presence: 'offline' });
      const headers = { authorization: `Bearer ${user.accessToken}` };
      const path = `/_matrix/client/v3/sync?since=${since}&timeout=65000&set_presence=offline`;
      const startTs = Date.now();
      expectEqual((await ask(net, site, matrix, path, { headers })).status, 200);
      expectEqual(Date.now() - startTs > 64_000, true);
    });
    await step(
      `${site.proxy}: noise from one address is refused, another address is not; X-Forwarded-For cannot be made up`,
      async () => {
        const made = (count: number) => ({ 'x-forwarded-for': `10.1.1.${count}` });
        const answers = await Promise.all(
          Array.from({ length: NOISE }, (_, count) => noise(net, site, '127.0.0.77', made(count))),
        );
        if (!answers.includes(429)) throw new Error('nothing was refused');
        expectEqual(await noise(net, site, '127.0.0.78'), 401);
      },
    );
  }
}

/** What the guide warns of. */
async function withoutForwarded(net: Net): Promise<void> {
  for (const site of [net.one, net.two]) {
    await step(`${site.proxy}, x_forwarded: false: noise from one address uses up what others may`, async () => {
      await Promise.all(Array.from({ length: NOISE }, () => noise(net, site, '127.0.0.77')));
      expectEqual(await noise(net, site, '127.0.0.78'), 429);
    });
  }
}

interface Scenario {
  readonly how: string;
  readonly variant: Variant;
  readonly more?: (net: Net) => Promise<void>;
}

const SCENARIOS: readonly Scenario[] = [
  { how: '.well-known by the proxy', variant: { wellKnown: 'proxy' }, more: requests },
  { how: '.well-known by Thalamus', variant: { wellKnown: 'thalamus' } },
  { how: 'SRV to port 8448', variant: { wellKnown: 'none', srv: true } },
  { how: 'no nginx, but TLS of Thalamus on port 8448', variant: { wellKnown: 'none', direct: true } },
  { how: 'port 8448', variant: { wellKnown: 'none', xForwarded: false }, more: withoutForwarded },
];

for (const { how, variant, more } of SCENARIOS) {
  const net = await createNet(variant);
  try {
    if (how === SCENARIOS[0]?.how)
      say(`${await net.versions()}; ${NGINX.name} for ${NGINX.site}, ${CADDY.name} for ${CADDY.site}`);
    await presenceBothWays(net, how);
    await more?.(net);
  } catch (error) {
    say(net.log());
    throw error;
  } finally {
    await net.end();
  }
}
conclude();
