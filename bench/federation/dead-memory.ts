/**
 * Heap per destination that is dead for long: `node --expose-gc scripts/run-ts.mjs bench/federation/dead-memory.ts <destinations>` prints bytes.
 *
 * The real sender in simulated time; every attempt fails for a day. What the database has of it is not counted, names are.
 */
import { SilentLogger } from '../../src/adapters/memory/logger.ts';
import { ManualClock } from '../../src/adapters/memory/manual-clock.ts';
import { MemoryMetrics } from '../../src/adapters/memory/metrics.ts';
import type { UserPresenceState } from '../../src/core/user-presence-state.ts';
import { FederationSender } from '../../src/federation/sending/federation-sender.ts';
import { PresenceState } from '../../src/matrix/presence-state.ts';
import type { DestinationStore } from '../../src/ports/federation-store.ts';

const DAY_MS = 86_400_000;
const ROUNDS = 8;
const EMPTY_STORE: DestinationStore = {
  loadAll: () => Promise.resolve([]),
  save: () => Promise.resolve(),
  remove: () => Promise.resolve(),
  deliveredUntilTs: () => Promise.resolve(0),
  setDeliveredUntilTs: () => Promise.resolve(),
};

const destinations = Number(process.argv[2] ?? 10_000);
await bytesPerDestination(1000); // what the code itself needs once it has run
console.log(JSON.stringify({ destinations, bytes: await bytesPerDestination(destinations) }));

async function bytesPerDestination(count: number): Promise<number> {
  const clock = new ManualClock();
  const sender = new FederationSender({
    serverName: 'bench.test',
    transactions: {
      send: () => Promise.resolve({ ok: false, reason: 'failed', retryAfterMs: null, detail: 'dead' }),
    },
    store: EMPTY_STORE,
    clock,
    logger: new SilentLogger(),
    metrics: new MemoryMetrics(),
    random: Math.random,
    isAllowed: () => true,
    // Simulated time is not what is measured.
    options: { wakesPerSecond: 1_000_000 },
  });
  // One object: what the sender remembers of states that it has written is not the destinations'.
  const state = stateOf(clock.now());
  await sender.start({
    async *statesFor() {
      yield [state];
    },
  });
  const before = used();
  for (let round = 0; round < ROUNDS; round += 1) {
    for (let i = 0; i < count; i += 1) sender.sendPresence(`server-${i}.dead.test`, [state]);
    await clock.advance(DAY_MS / ROUNDS);
  }
  const after = used();
  const { failingDestinations, openTransactions, states } = sender.stats;
  if (failingDestinations !== count || openTransactions > 0 || states > 0) throw new Error('not all of them are dead');
  await Promise.all([sender.stop(), clock.advance(10_000)]);
  return (after - before) / count;
}

function stateOf(now: number): UserPresenceState {
  return {
    userId: '@user:bench.test',
    state: PresenceState.ONLINE,
    lastActiveTs: now,
    lastFederationUpdateTs: now,
    lastUserSyncTs: now,
    statusMsg: null,
    currentlyActive: true,
  };
}

function used(): number {
  const { gc } = globalThis;
  if (gc === undefined) throw new Error('run node with --expose-gc');
  for (let round = 0; round < 8; round += 1) gc();
  return process.memoryUsage().heapUsed;
}
