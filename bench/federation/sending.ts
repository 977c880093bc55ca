/**
 * States sent per CPU-second: users change, a module names readers on other servers, and the next change is made when all have it.
 *
 * The change itself, its row in the database, the module's answer, signatures, TLS and the answers of the other servers are all in it. The
 * hub puts transactions of the same size and number to the same servers.
 */
import { fileURLToPath } from 'node:url';
import { median } from '../row.ts';
import type { MeasuredProcess } from '../load/child-process.ts';
import { RawClient } from '../load/raw-client.ts';
import { startThalamus } from '../load/thalamus.ts';
import { liveNames, type Sink, startDns, startHub, startSink } from './child-ports.ts';
import { type Material, trustingConfig } from './material.ts';

export interface SendingScenario {
  /** Users who change together. */
  readonly states: number;
  readonly destinations: number;
  readonly rounds: number;
}

export interface StatesPerCpuSecond {
  readonly thalamus: number;
  readonly hub: number;
}

const ROUTER = fileURLToPath(new URL('router.ts', import.meta.url));

export async function measureSending(
  material: Material,
  scenario: SendingScenario,
  runs: number,
): Promise<StatesPerCpuSecond> {
  const sink = await startSink(material);
  const destinations = liveNames(scenario.destinations, sink.peers);
  const dns = await startDns(destinations);
  const hub = await startHub('send', material, destinations);
  const thalamus = await startThalamus({
    users: 0,
    modules: [{ module: ROUTER, config: { groups: [{ destinations, each: destinations.length }], readers: [] } }],
    listeners: [{ port: 0, tls: true, bind_addresses: ['127.0.0.1'], resources: [{ names: ['federation'] }] }],
    config: {
      ...trustingConfig(material),
      federation_dns_servers: [dns.address],
      // As fast as it can: nothing waits for company, and all servers are told at once.
      federation_presence: { coalescing_window: 0 },
      federation_rr_transactions_per_room_per_second: 1_000_000,
    },
  });
  const figures = { thalamus: [] as number[], hub: [] as number[] };
  for (let run = -1; run < runs; run += 1) {
    // The first run only warms up.
    const rounds = run === -1 ? Math.ceil(scenario.rounds / 2) : scenario.rounds;
    const [bare, ours] = [
      await measure(hub, sink, { ...scenario, rounds }, () => `/send/${scenario.states}`),
      await measure(
        thalamus.process,
        sink,
        { ...scenario, rounds },
        () => `/bench/change?from=0&count=${scenario.states}&round=${(change += 1)}`,
      ),
    ];
    if (run === -1) continue;
    figures.hub.push(bare);
    figures.thalamus.push(ours);
  }
  await Promise.all([hub.stop(), thalamus.stop(), sink.stop(), dns.close()]);
  return { thalamus: median(figures.thalamus), hub: median(figures.hub) };
}

/** Goes on over all runs: a change to what was before would be none. */
let change = 0;

async function measure(
  server: MeasuredProcess,
  sink: Sink,
  { states, destinations, rounds }: SendingScenario,
  path: () => string,
): Promise<number> {
  const client = await RawClient.open(server.port);
  const before = await sink.count();
  const cpuBefore = server.cpuMs();
  for (let round = 1; round <= rounds; round += 1) {
    const answer = await client.request('GET', path(), null);
    if (answer.status !== 200) throw new Error(`a change was answered ${answer.status}: ${answer.body}`);
    await sink.arrived(before.states + round * states * destinations);
  }
  const cpuMs = server.cpuMs() - cpuBefore;
  const after = await sink.count();
  client.close();
  const transactions = after.transactions - before.transactions;
  if (transactions !== rounds * destinations) {
    console.warn(`${transactions} transactions instead of ${rounds * destinations}: changes were cut or merged`);
  }
  return (rounds * states * destinations * 1000) / cpuMs;
}
