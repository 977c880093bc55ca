/**
 * A server that talks to many others of which a part is dead, next to one that talks to the living part alone: CPU time and memory.
 *
 * Both run at once and get the same changes, a few each second, with the settings as they come. Half of the dead refuse connections, the
 * others take them and never say anything. The dead have been so for a minute when the measurement begins.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { freePort } from '../../test/support/free-port.ts';
import { RawClient } from '../load/raw-client.ts';
import { startThalamus, type Thalamus } from '../load/thalamus.ts';
import { ROOT } from '../results.ts';
import type { BenchRow } from '../row.ts';
import { liveNames, startDns, startSink } from './child-ports.ts';
import { createMaterial, DEAD_DOMAIN, type Material, trustingConfig } from './material.ts';

export interface DestinationsScale {
  readonly live: number;
  readonly dead: number;
  readonly warmUpMs: number;
  readonly measuredMs: number;
  /** For the measurement of one destination's memory. */
  readonly deadAlone: number;
}

export const MANY_DESTINATIONS: DestinationsScale = {
  live: 700,
  dead: 300,
  warmUpMs: 60_000,
  measuredMs: 60_000,
  deadAlone: 10_000,
};

const ROUTER = fileURLToPath(new URL('router.ts', import.meta.url));
const CHANGE_EVERY_MS = 200;
/** Of each user; in proportion to how many there are. */
const LIVE_EACH = 5;
const DEAD_EACH = 2;
const USERS = 1000;
/** For what is still on its way. */
const SETTLE_MS = 2000;
const CPU_TO_REACH = 1.25;
const BYTES_TO_REACH = 1000;

interface Measured {
  /** Of one core. */
  readonly cpuShare: number;
  readonly rssBytes: number;
  /** That the living have got, from the beginning. */
  readonly states: number;
}

export async function destinationRows(scale: DestinationsScale): Promise<BenchRow[]> {
  const material = createMaterial();
  try {
    const { withDead, liveAlone } = await measureBoth(material, scale);
    const bytes = await bytesPerDeadDestination(scale.deadAlone);
    const { live, dead } = scale;
    const which = `${live + dead} servers of which ${dead} are dead, ${1000 / CHANGE_EVERY_MS} changes a second`;
    const ratio = withDead.cpuShare / liveAlone.cpuShare;
    const moreBytes = withDead.rssBytes - liveAlone.rssBytes;
    return [
      {
        what: `${which}: CPU, against the ${live} alone`,
        measured: withDead.cpuShare * 100,
        unit: '% of a core',
        comparedWith: liveAlone.cpuShare * 100,
        value: ratio,
        target: `at most ${CPU_TO_REACH}`,
        isMet: ratio <= CPU_TO_REACH,
        runs: 1,
      },
      {
        what: 'the same: states that the living have got, against the living alone',
        measured: withDead.states,
        unit: 'states',
        comparedWith: liveAlone.states,
        value: withDead.states / liveAlone.states,
        target: 'at least 0.98',
        isMet: withDead.states >= liveAlone.states * 0.98,
        runs: 1,
      },
      {
        what: 'the same: resident memory, against the living alone',
        measured: withDead.rssBytes / 1e6,
        unit: 'MB',
        comparedWith: liveAlone.rssBytes / 1e6,
        value: moreBytes / 1e6,
        target: 'at most 20 MB more',
        isMet: moreBytes <= 20e6,
        runs: 1,
      },
      {
        what: `sender alone: memory per server that is dead for a day, of ${scale.deadAlone.toLocaleString('en-GB')}`,
        measured: bytes,
        unit: 'bytes',
        comparedWith: null,
        value: bytes,
        target: `at most ${BYTES_TO_REACH}`,
        isMet: bytes <= BYTES_TO_REACH,
        runs: 1,
      },
    ];
  } finally {
    material.remove();
  }
}

async function measureBoth(
  material: Material,
  { live, dead, warmUpMs, measuredMs }: DestinationsScale,
): Promise<{ readonly withDead: Measured; readonly liveAlone: Measured }> {
  const sink = await startSink(material);
  const nobody = await freePort();
  const liveServers = liveNames(live, sink.peers);
  const deadServers = Array.from(
    { length: dead },
    (_, i) => `server-${i}.${DEAD_DOMAIN}:${i % 2 === 0 ? nobody : sink.silent}`,
  );
  const dns = await startDns([...liveServers, ...deadServers]);
  const groups = [
    { destinations: liveServers, each: LIVE_EACH },
    { destinations: deadServers, each: DEAD_EACH },
  ];
  const start = (of: typeof groups): Promise<Thalamus> =>
    startThalamus({
      users: 0,
      modules: [{ module: ROUTER, config: { groups: of, readers: [] } }],
      listeners: [{ port: 0, tls: true, bind_addresses: ['127.0.0.1'], resources: [{ names: ['federation'] }] }],
      config: { ...trustingConfig(material), federation_dns_servers: [dns.address] },
    });
  const [first, second] = [await start(groups), await start(groups.slice(0, 1))];
  const clients = await Promise.all([first, second].map(({ process }) => RawClient.open(process.port)));
  let user = 0;
  let round = 0;
  const changeFor = async (ms: number): Promise<void> => {
    const endTs = performance.now() + ms;
    for (let nextTs = performance.now(); nextTs < endTs; nextTs += CHANGE_EVERY_MS) {
      await new Promise((resolve) => setTimeout(resolve, nextTs - performance.now()));
      const path = `/bench/change?from=${(user += 1) % USERS}&count=1&round=${(round += 1)}`;
      const answers = await Promise.all(clients.map((client) => client.request('GET', path, null)));
      const failed = answers.find(({ status }) => status !== 200);
      if (failed !== undefined) throw new Error(`a change was answered ${failed.status}: ${failed.body}`);
    }
  };
  await changeFor(warmUpMs);
  const [before, startedAt] = [[first, second].map(({ process }) => process.cpuMs()), performance.now()];
  await changeFor(measuredMs);
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const wallMs = performance.now() - startedAt;
  const results = await Promise.all(
    [first, second].map(async ({ process }, i) => ({
      cpuShare: (process.cpuMs() - before[i]!) / wallMs,
      rssBytes: process.rssBytes(),
      states: await statesSent(clients[i]!),
    })),
  );
  for (const client of clients) client.close();
  await Promise.all([first.stop(), second.stop(), sink.stop(), dns.close()]);
  return { withDead: results[0]!, liveAlone: results[1]! };
}

async function statesSent(client: RawClient): Promise<number> {
  const { body } = await client.request('GET', '/metrics', null);
  return Number(/^thalamus_federation_sent_states_total(?:\{.*\})? (\d+)$/m.exec(body)?.[1] ?? 0);
}

async function bytesPerDeadDestination(count: number): Promise<number> {
  const program = ['--expose-gc', 'scripts/run-ts.mjs', 'bench/federation/dead-memory.ts', String(count)];
  const { stdout } = await promisify(execFile)(process.execPath, program, { cwd: ROOT, timeout: 600_000 });
  return (JSON.parse(stdout) as { bytes: number }).bytes;
}
