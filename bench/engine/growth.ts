/**
 * Engine alone: the cost of one update while users, rooms and memberships grow and the connected observers who get it do not.
 *
 * It should stay the same: cost follows connected observers.
 */
import { PresenceEngine } from '../../src/core/presence-engine.ts';
import type { UserId } from '../../src/matrix/identifiers.ts';
import { benchOptions, cpuMs, START_TS } from './population.ts';

export interface GrowthResult {
  readonly users: number;
  readonly observersPerUpdate: number;
  readonly microsecondsPerUpdate: number;
}

const OBSERVERS = 100;
const ROOMS = 20;

export function measureGrowth(sizes: readonly number[] = [1_000, 10_000, 100_000], updates = 20_000): GrowthResult[] {
  return sizes.map((users) => measureOne(users, updates));
}

/** One source shares each of its rooms with all users; always the same number of them is connected. */
function measureOne(users: number, updates: number): GrowthResult {
  const engine = new PresenceEngine(benchOptions());
  const source: UserId = '@source:example.org';
  for (let room = 0; room < ROOMS; room++) {
    engine.join(source, `!room${room}:example.org`);
    for (let index = 0; index < users; index++) engine.join(`@user${index}:example.org`, `!room${room}:example.org`);
  }
  for (let index = 0; index < OBSERVERS; index++)
    engine.beginSync(`@user${index}:example.org`, 'D', null, false, START_TS);
  const change = (count: number): number => {
    let pairs = 0;
    for (let index = 0; index < count; index++) {
      engine.setPresence(source, 'D', 'online', `status ${index}`, START_TS);
      pairs += engine.publish(engine.takeChanges()).pairs;
    }
    return pairs;
  };
  change(updates / 4);
  const started = cpuMs();
  const pairs = change(updates);
  const spent = cpuMs() - started;
  return {
    users,
    observersPerUpdate: pairs / updates,
    microsecondsPerUpdate: Math.round((spent / updates) * 1e5) / 100,
  };
}
