/**
 * The measurements of the served product, each against the bare Node program that does the same in the same run.
 *
 * Server and ceiling take turns, several times, so that what else the machine does falls on both; the figures are
 * medians. Only CPU time of the measured process counts, never the time that passes.
 */
import { fileURLToPath } from 'node:url';
import { type BenchRow, median } from '../row.ts';
import { type MeasuredProcess, startMeasured } from './child-process.ts';
import { closedLoop, type LoadUser } from './closed-loop.ts';
import { idleMemory } from './idle-memory.ts';
import { requestRate } from './request-rate.ts';
import { makeRoom, startThalamus, type Thalamus } from './thalamus.ts';

export interface ScenarioScale {
  readonly runs: number;
  readonly observers: number;
  readonly changes: number;
  readonly requests: number;
  readonly idleClients: number;
  readonly storedUsers: number;
}

export const FULL_SCALE: ScenarioScale = {
  runs: 5,
  observers: 200,
  changes: 250,
  requests: 30_000,
  idleClients: 2000,
  storedUsers: 100_000,
};

const RUN_TS = fileURLToPath(new URL('../../scripts/run-ts.mjs', import.meta.url));
const HUB = fileURLToPath(new URL('../ceiling/hub.ts', import.meta.url));
const ROUTER = fileURLToPath(new URL('everybody-router.ts', import.meta.url));
const CONNECTIONS = 32;
const FIRST_IDLE_CLIENTS = 200;
const START_RUNS = 3;

/** One room of long-polling users in a closed loop, and the same users without a room through a router module. */
export async function deliveryRows({ runs, observers, changes }: ScenarioScale): Promise<BenchRow[]> {
  const hub = await startCeiling('hub', observers);
  const shared = await startThalamus({ users: observers });
  await makeRoom(shared.process, shared.users);
  const routed = await startThalamus({
    users: observers,
    modules: [{ module: ROUTER, config: { users: userIdsOf(observers) } }],
  });
  const figures: Record<'hub' | 'shared' | 'routed', number[]> = { hub: [], shared: [], routed: [] };
  const measure = async (name: keyof typeof figures, server: MeasuredProcess, users: readonly LoadUser[]) => {
    const loop = { server, users, warmUpChanges: Math.ceil(changes / 2), changes, isHub: name === 'hub' };
    figures[name].push((await closedLoop(loop)).deliveriesPerCpuSecond);
  };
  for (let run = 0; run < runs; run += 1) {
    await measure('hub', hub, shared.users);
    await measure('shared', shared.process, shared.users);
    await measure('routed', routed.process, routed.users);
  }
  await Promise.all([hub.stop(), shared.stop(), routed.stop()]);
  const [ceiling, inRoom, byRouter] = [median(figures.hub), median(figures.shared), median(figures.routed)];
  return [
    row('deliveries per CPU-second, one room of 200 long polls', inRoom, 'deliveries', ceiling, 0.6, runs),
    row('the same through a router module, against the shared room', byRouter, 'deliveries', inRoom, 0.9, runs),
  ];
}

/** PUT and GET of presence by users of one room. */
export async function requestRows({ runs, requests }: ScenarioScale): Promise<BenchRow[]> {
  const fixed = await startCeiling('fixed', 0);
  const thalamus = await startThalamus({ users: CONNECTIONS });
  await makeRoom(thalamus.process, thalamus.users);
  const rows: BenchRow[] = [];
  for (const method of ['PUT', 'GET'] as const) {
    const figures = { fixed: [] as number[], thalamus: [] as number[] };
    const { users } = thalamus;
    const options = { users, method, connections: CONNECTIONS, warmUpRequests: Math.ceil(requests / 5), requests };
    for (let run = 0; run < runs; run += 1) {
      figures.fixed.push((await requestRate({ ...options, server: fixed })).requestsPerCpuSecond);
      figures.thalamus.push((await requestRate({ ...options, server: thalamus.process })).requestsPerCpuSecond);
    }
    const what = `${method} of presence, requests per CPU-second`;
    rows.push(row(what, median(figures.thalamus), 'requests', median(figures.fixed), 0.5, runs));
  }
  await Promise.all([fixed.stop(), thalamus.stop()]);
  return rows;
}

/** What one more idle client costs in resident memory. */
export async function idleRows({ idleClients }: ScenarioScale): Promise<BenchRow[]> {
  const users = idleClients + FIRST_IDLE_CLIENTS;
  const hub = await startCeiling('hub', Number.MAX_SAFE_INTEGER);
  const thalamus = await startThalamus({ users });
  const options = { users: thalamus.users, firstClients: FIRST_IDLE_CLIENTS };
  const bare = await idleMemory({ ...options, server: hub, isHub: true });
  const ours = await idleMemory({ ...options, server: thalamus.process, isHub: false });
  await Promise.all([hub.stop(), thalamus.stop()]);
  const above = (ours.bytesPerClient - bare.bytesPerClient) / 1000;
  return [
    {
      what: 'resident memory per idle long-polling client, above the ceiling’s',
      measured: ours.bytesPerClient / 1000,
      unit: 'kB',
      comparedWith: bare.bytesPerClient / 1000,
      value: above,
      target: 'at most 25 kB',
      isMet: above <= 25,
      runs: 1,
    },
  ];
}

/** From starting the process to the first answer, with many stored users and with none. */
export async function startRows({ storedUsers }: ScenarioScale): Promise<BenchRow[]> {
  const times = { none: [] as number[], many: [] as number[] };
  for (let run = 0; run < START_RUNS; run += 1) {
    times.none.push(await startOnce({ users: 0, withPresence: false }));
    times.many.push(await startOnce({ users: storedUsers, withPresence: true }));
  }
  const [none, many] = [median(times.none) / 1000, median(times.many) / 1000];
  return [
    {
      what: `start with ${storedUsers.toLocaleString('en-GB')} stored users to the first answer, above none`,
      measured: many,
      unit: 's',
      comparedWith: none,
      value: many - none,
      target: 'at most 1 s',
      isMet: many - none <= 1,
      runs: START_RUNS,
    },
  ];
}

async function startOnce(options: Parameters<typeof startThalamus>[0]): Promise<number> {
  const thalamus: Thalamus = await startThalamus(options);
  await thalamus.stop();
  return thalamus.startMs;
}

function startCeiling(mode: 'hub' | 'fixed', pollers: number): Promise<MeasuredProcess> {
  return startMeasured([RUN_TS, HUB, mode, String(pollers)], (line) => {
    const match = /^\{"port":(\d+)\}$/.exec(line);
    return match === null ? null : Number(match[1]);
  });
}

/** As `seedUsers` names them. */
function userIdsOf(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `@user-${String(i).padStart(6, '0')}:bench.test`);
}

function row(
  what: string,
  measured: number,
  unit: string,
  comparedWith: number,
  atLeast: number,
  runs: number,
): BenchRow {
  const value = measured / comparedWith;
  return { what, measured, unit, comparedWith, value, target: `at least ${atLeast}`, isMet: value >= atLeast, runs };
}
