/**
 * A population for the engine's benchmarks: users, rooms with a power law of sizes, and a tenth of the users connected.
 *
 * Everything is drawn from a seeded generator, so that every run measures the same.
 */
import type { EngineOptions } from '../../src/core/engine-api.ts';
import { PresenceEngine } from '../../src/core/presence-engine.ts';
import type { RoomId, UserId } from '../../src/matrix/identifiers.ts';

export const START_TS = 1_700_000_000_000;

export interface PopulationOptions {
  readonly users: number;
  readonly roomsPerUser: number;
  /** How many users have a sync open. */
  readonly connected: number;
  readonly largestRoom: number;
}

export interface Population {
  readonly engine: PresenceEngine;
  readonly connected: readonly UserId[];
  readonly rooms: number;
}

/** A small generator of numbers in [0, 1) (mulberry32). */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export function benchOptions(): EngineOptions {
  return {
    serverName: 'example.org',
    mode: 'tracked',
    timers: {
      lastActiveGranularityMs: 60_000,
      syncOnlineTimeoutMs: 30_000,
      idleTimeoutMs: 300_000,
      busyOnlineTimeoutMs: 3_600_000,
      federationTimeoutMs: 1_800_000,
      federationPingIntervalMs: 1_500_000,
      observerLingerMs: 60_000,
      managedTtlMs: 3_600_000,
    },
    limits: { maxPendingPerObserver: 1_000, maxRoutedPerUser: 100_000 },
    excludedRooms: new Set(),
    startPosition: 0,
  };
}

/** As it comes from a parser: a flat string of its own. */
function flat(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}

/** Sizes of rooms, ∝ rank^-0.6 from the largest down: a few very large ones, and a long tail of about fifteen members. */
export function roomSizes(options: PopulationOptions): number[] {
  const wanted = options.users * options.roomsPerUser;
  const sizes: number[] = [];
  let memberships = 0;
  for (let rank = 1; memberships < wanted; rank++) {
    const size = Math.min(wanted - memberships, Math.max(2, Math.round(options.largestRoom / rank ** 0.6)));
    sizes.push(size);
    memberships += size;
  }
  return sizes;
}

/** Joins members to rooms, room by room. The ids are let go of when it returns: only the engine keeps them. */
export function populate(engine: PresenceEngine, options: PopulationOptions): Omit<Population, 'engine'> {
  const draw = random(1);
  const users = Array.from({ length: options.users }, (_, index) => flat(`@user${index}:example.org`) as UserId);
  const sizes = roomSizes(options);
  for (const [index, size] of sizes.entries()) {
    const roomId = flat(`!room${index}abcdefgh:example.org`) as RoomId;
    const members = new Set<number>();
    while (members.size < Math.min(size, users.length)) members.add(Math.floor(draw() * users.length));
    for (const member of members) engine.join(users[member] as UserId, roomId);
  }
  const connected: UserId[] = [];
  for (let index = 0; index < options.connected; index++) {
    const userId = users[Math.floor((index * users.length) / options.connected)] as UserId;
    connected.push(userId);
    engine.beginSync(userId, 'DEVICEID', { state: 'online', explicit: false }, true, START_TS);
  }
  return { connected, rooms: sizes.length };
}

export function createPopulation(options: PopulationOptions): Population {
  const engine = new PresenceEngine(benchOptions());
  return { engine, ...populate(engine, options) };
}

/** CPU time of this process in ms. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}
