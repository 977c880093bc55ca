/**
 * What dead destinations cost: bytes, timers, attempts.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { MemoryDestinationStore } from '../../src/adapters/memory/destination-store.ts';
import type { DestinationRow } from '../../src/ports/federation-store.ts';
import { SenderRig } from '../support/sender-rig.ts';

const COUNT = 20_000;
const DAY = 86_400_000;

it('a dead destination costs a few hundred bytes, and no timer', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const heapUsed = (): number => {
    collect();
    collect();
    return process.memoryUsage().heapUsed;
  };
  const store = new MemoryDestinationStore();
  // What the store keeps is not the sender's: rows are made when they are read.
  store.loadAll = async () => Array.from({ length: COUNT }, (_, index) => deadRow(index));
  store.save = async () => undefined;
  const rig = new SenderRig({ store });
  const before = heapUsed();
  await rig.start();
  expect(rig.sender.stats).toMatchObject({ destinations: COUNT, failingDestinations: COUNT, owedDestinations: COUNT });
  const bytes = (heapUsed() - before) / COUNT;
  expect(bytes).toBeGreaterThan(50);
  expect(bytes).toBeLessThan(400);
  expect(rig.clock.pendingTimers).toBe(1);
  // Being told of does not make it dearer.
  const state = rig.state('alice');
  for (let i = 0; i < COUNT; i++) rig.sender.sendPresence(nameOf(i), [state]);
  expect((heapUsed() - before) / COUNT).toBeLessThan(600);
  expect(rig.peers.attempts).toHaveLength(0);
  await rig.sender.stop();
  expect(rig.clock.pendingTimers).toBe(0);
});

it('300 dead destinations make about one attempt per hour each in the first day, then fewer', async () => {
  const rig = new SenderRig();
  rig.peers.behave = () => ({ deed: 'failed', afterMs: 5_000 });
  await rig.start();
  const dead = Array.from({ length: 300 }, (_, index) => nameOf(index));
  rig.tell(dead, rig.state('alice'));
  await rig.clock.advance(DAY);
  const first = rig.peers.attempts.length;
  expect(first / dead.length).toBeLessThan(24);
  await rig.clock.advance(7 * DAY);
  expect((rig.peers.attempts.length - first) / dead.length).toBeLessThan(5);
  expect(rig.peers.maxOpen).toBeLessThanOrEqual(150);
  expect(rig.sender.stats).toMatchObject({ states: 0, bytesInFlight: 0, owedDestinations: 300 });
});

function nameOf(index: number): string {
  return `dead${index}.example.org`;
}

function deadRow(index: number): DestinationRow {
  const retryAtTs = Date.UTC(2026, 0, 2) + index;
  return {
    destination: nameOf(index),
    failures: 15,
    retryAtTs,
    retryIntervalMs: DAY,
    owedSinceTs: Date.UTC(2025, 0, 1) + index,
  };
}
