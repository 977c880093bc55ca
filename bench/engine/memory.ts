/**
 * Engine alone: bytes per tracked user with 20 rooms, ids and both membership directions included. Needs `--expose-gc`.
 *
 * (heap + array buffers with the population − before it) / users, after collections.
 */
import type { PresenceCursor } from '../../src/core/engine-api.ts';
import { PresenceEngine } from '../../src/core/presence-engine.ts';
import { benchOptions, type PopulationOptions, populate, START_TS } from './population.ts';

export interface MemoryResult {
  readonly users: number;
  readonly rooms: number;
  readonly connected: number;
  readonly bytesPerUser: number;
  readonly heapBytesPerUser: number;
  readonly bufferBytesPerUser: number;
}

export const MEMORY_POPULATION: PopulationOptions = {
  users: 100_000,
  roomsPerUser: 20,
  connected: 10_000,
  largestRoom: 10_000,
};

export function measureMemory(population = MEMORY_POPULATION): MemoryResult {
  // What the code itself needs once it has run is not the users'.
  populate(new PresenceEngine(benchOptions()), { ...population, users: 1_000, connected: 100, largestRoom: 100 });
  const before = used();
  const engine = new PresenceEngine(benchOptions());
  const rooms = populateAndPublish(engine, population);
  const after = used();
  const perUser = (bytes: number): number => Math.round(bytes / population.users);
  return {
    users: engine.stats().users,
    rooms,
    connected: engine.stats().observers,
    bytesPerUser: perUser(after.heap + after.buffers - before.heap - before.buffers),
    heapBytesPerUser: perUser(after.heap - before.heap),
    bufferBytesPerUser: perUser(after.buffers - before.buffers),
  };
}

/** Everybody has collected what they were told. In a function of its own, so that nothing but the engine keeps anything of it. */
function populateAndPublish(engine: PresenceEngine, population: PopulationOptions): number {
  const { rooms, connected } = populate(engine, population);
  engine.publish(engine.takeChanges());
  engine.drainUnpersisted();
  // Two periods of polling: nobody's token is older than the mass login any more.
  for (let period = 1; period <= 3; period++) {
    for (const userId of connected) engine.collect(userId, { since: cursor(engine.position), ...ALL_OF_IT });
    engine.tick(START_TS + period * 60_000);
    engine.publish(engine.takeChanges());
  }
  return rooms;
}

const ALL_OF_IT = { includeOffline: false, extras: [], accept: null, limit: null };

function cursor(position: number): PresenceCursor {
  return { position, resume: null };
}

function used(): { heap: number; buffers: number } {
  const { gc } = globalThis;
  if (gc === undefined) throw new Error('run node with --expose-gc');
  for (let round = 0; round < 8; round++) gc();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return { heap: heapUsed, buffers: arrayBuffers };
}
