/**
 * Engine alone: routed deliveries per second of one core. A delivery is one (observer, update) pair in the effects.
 *
 * Connected users change their status in turn; every turn is taken and published, inboxes are written, and every observer collects
 * now and then, as clients do. Time is CPU time of the process, so that other programs do not count.
 */
import { cpuMs, createPopulation, type PopulationOptions, START_TS } from './population.ts';

export interface DeliveriesResult {
  readonly users: number;
  readonly connected: number;
  readonly rooms: number;
  readonly updates: number;
  readonly deliveries: number;
  readonly deliveriesPerSecond: number;
  readonly updatesPerSecond: number;
  readonly pairsPerUpdate: number;
  readonly collectedPerSecond: number;
}

export const DELIVERIES_POPULATION: PopulationOptions = {
  users: 100_000,
  roomsPerUser: 20,
  connected: 10_000,
  largestRoom: 10_000,
};

/** `seconds`: of CPU time to spend on publishing. */
export function measureDeliveries(
  population = DELIVERIES_POPULATION,
  seconds = 3,
  updatesPerTurn = 20,
): DeliveriesResult {
  const { engine, connected, rooms } = createPopulation(population);
  engine.publish(engine.takeChanges());
  const since = new Map(connected.map((userId) => [userId, { position: engine.position, resume: null }]));
  let [updates, deliveries, collected] = [0, 0, 0];
  let [spent, spentCollecting] = [0, 0];
  let at = 0;
  for (let turn = 0; spent < seconds * 1_000; turn++) {
    const started = cpuMs();
    for (let count = 0; count < updatesPerTurn; count++) {
      const userId = connected[(at = (at + 7_919) % connected.length)];
      if (userId !== undefined) engine.setPresence(userId, 'DEVICEID', 'online', `turn ${turn}`, START_TS + turn);
    }
    const changes = engine.takeChanges();
    deliveries += engine.publish(changes).pairs;
    updates += changes.updates.length;
    spent += cpuMs() - started;
    // A fifth of the observers asks after each turn.
    const startedCollecting = cpuMs();
    for (let index = turn % 5; index < connected.length; index += 5) {
      const observer = connected[index];
      const cursor = observer === undefined ? undefined : since.get(observer);
      if (observer === undefined || cursor === undefined) continue;
      const { uids, next } = engine.collect(observer, {
        since: cursor,
        includeOffline: false,
        extras: [],
        accept: null,
        limit: null,
      });
      collected += uids.length;
      since.set(observer, { position: next.position, resume: null });
    }
    spentCollecting += cpuMs() - startedCollecting;
  }
  return {
    users: population.users,
    connected: connected.length,
    rooms,
    updates,
    deliveries,
    deliveriesPerSecond: Math.round((deliveries / spent) * 1_000),
    updatesPerSecond: Math.round((updates / spent) * 1_000),
    pairsPerUpdate: Math.round(deliveries / updates),
    collectedPerSecond: Math.round((collected / spentCollecting) * 1_000),
  };
}
