/** A process with one module that holds it up in a given way: run by watchdog.test.ts. */
import { MemoryMetrics, SilentLogger } from '../../src/adapters/memory/index.ts';
import { createSystemClock } from '../../src/adapters/system-clock.ts';
import type { ModuleApi } from '../../src/module/index.ts';
import { DEFAULT_CALLBACK_LIMITS, ModuleHost } from '../../src/router-host/index.ts';
import { stateOf } from '../support/host-context.ts';
import { createPlainServices } from '../support/plain-services.ts';

const [, , how] = process.argv;
const state = stateOf('@u:test');
const metrics = new MemoryMetrics();
const host = new ModuleHost({
  clock: createSystemClock(),
  logger: new SilentLogger(),
  metrics,
  watchdog: { fields: { pid: 4711 }, pretty: how === 'pretty' },
});

function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}
const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function slow(_config: unknown, api: ModuleApi) {
  if (how === 'background') api.delayedBackgroundCall(600, () => block(2500));
  return {
    getUsersForStates: async () => {
      if (how === 'sync' || how === 'pretty') block(2500);
      if (how === 'after-await') {
        await wait(10);
        block(2500);
      }
      if (how === 'fine') await wait(1500);
      return {};
    },
    getInterestedUsers: () => {
      block(2);
      return [];
    },
  };
}

const module = { module: './slow.ts', file: '/slow.ts', name: 'slow', path: ['modules', 0], config: {} };
await host.construct(
  [{ ...module, callbacks: { ...DEFAULT_CALLBACK_LIMITS, timeoutMs: 20_000 }, definition: slow }],
  createPlainServices(),
);
// The thread takes a moment to start; until then nothing is watched.
await wait(500);

if (how === 'fine') {
  const routes = host.router.getUsersForStates([state]);
  for (let call = 0; call < 600; call += 1) {
    await host.router.getInterestedUsers('@x:test');
    if (call % 50 === 0) await wait(0);
  }
  await routes;
} else {
  await host.router.getUsersForStates([state]);
  if (how === 'background') await wait(500);
}
const unblockedTs = Date.now();
const count = (outcome: string): number =>
  metrics.value('thalamus_module_callback_total', { module: 'slow', callback: 'getUsersForStates', outcome });
console.log(JSON.stringify({ unblockedTs, blocked: count('blocked'), ok: count('ok') }));
await host.stop();
