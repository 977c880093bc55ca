/**
 * Puts a presence server together for one test: the real engine, presence service and router host over ports in memory.
 *
 * No sockets, no files, no time but the test's. What a module does here it does in a server.
 */
import {
  ManualClock,
  MemoryFederationTransport,
  MemoryMetrics,
  MemoryPresenceStore,
  MemoryRoomDirectory,
  RecordingLogger,
} from '../adapters/memory/index.ts';
import type { EngineLimits, PresenceTimers } from '../core/engine-api.ts';
import type { ServerName } from '../matrix/identifiers.ts';
import type { ModuleDefinition } from '../module/module-kinds.ts';
import type { TrafficTap } from '../ports/traffic-tap.ts';
import { createPresenceHandler, DEFAULT_LIMITS, DEFAULT_TIMERS } from '../presence/index.ts';
import { DEFAULT_CALLBACK_LIMITS, type LoadedModule, ModuleHost, prepareModule } from '../router-host/index.ts';
import type { ModuleHarnessOptions, ModuleUnderTest } from './module-harness.ts';

/** What a replay has otherwise than a test. */
export interface TestServerOverrides {
  readonly startTs?: number;
  readonly timers?: PresenceTimers;
  readonly limits?: EngineLimits;
  readonly tap?: TrafficTap;
}

export function createTestServer(
  serverName: ServerName,
  { mode = 'tracked' }: Pick<ModuleHarnessOptions, 'mode'>,
  { startTs, timers = DEFAULT_TIMERS, limits = DEFAULT_LIMITS, tap }: TestServerOverrides = {},
) {
  const clock = new ManualClock(startTs);
  const metrics = new MemoryMetrics();
  const logger = new RecordingLogger();
  const federation = new MemoryFederationTransport();
  const directory = new MemoryRoomDirectory();
  // A test that makes a module hang does not want to wait for it at the end.
  const host = new ModuleHost({ clock, metrics, logger, watchdog: null, stopTimeoutMs: 200 });
  const presence = createPresenceHandler(
    {
      serverName,
      mode,
      timers,
      limits,
      excludedRooms: new Set(),
      maxStatusMsgBytes: 65_536,
      busyEnabled: true,
    },
    {
      store: new MemoryPresenceStore(),
      rooms: directory,
      federation,
      router: host.router,
      clock,
      logger,
      metrics,
      schedule: queueMicrotask,
      tap: tap ?? null,
    },
  );
  return { clock, metrics, logger, federation, directory, host, presence };
}

/** The module under test and those after it, as the loader would hand them over. */
export async function prepareModules(
  module: ModuleUnderTest,
  { config, name, callbacks, otherModules = [] }: ModuleHarnessOptions,
): Promise<LoadedModule[]> {
  const list = [{ module, config, name }, ...otherModules];
  return Promise.all(
    list.map(async ({ module: definition, config: own = {}, name: given }, index) => {
      const entry = {
        module: typeof definition === 'function' && definition.name !== '' ? definition.name : 'the module',
        name: given ?? String(index),
        config: own as Readonly<Record<string, unknown>>,
        callbacks: { ...DEFAULT_CALLBACK_LIMITS, ...callbacks },
        path: [],
      };
      return { ...entry, ...(await prepareModule(definition as ModuleDefinition, entry, 'the test', 30_000)) };
    }),
  );
}
