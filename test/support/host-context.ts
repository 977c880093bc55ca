/** The router host's surroundings for tests: time that stands still, metrics and a log that can be read. */
import { ManualClock, MemoryMetrics, RecordingLogger } from '../../src/adapters/memory/index.ts';
import type { UserPresenceState } from '../../src/core/user-presence-state.ts';
import type { UserId } from '../../src/matrix/identifiers.ts';
import type { PresenceRouterCallbacks, RestrictionCallback } from '../../src/module/callbacks.ts';
import { type CallbackLimits, DEFAULT_CALLBACK_LIMITS } from '../../src/router-host/callback-limits.ts';
import type { HostContext } from '../../src/router-host/host-context.ts';
import { createModuleMetrics } from '../../src/router-host/module-metrics.ts';
import { PresenceRouter } from '../../src/router-host/presence-router.ts';
import { NO_WATCHDOG } from '../../src/router-host/watchdog.ts';

export function createTestHost() {
  const clock = new ManualClock();
  const memory = new MemoryMetrics();
  const logger = new RecordingLogger();
  const context: HostContext = { clock, logger, metrics: createModuleMetrics(memory), watchdog: NO_WATCHDOG };
  return { clock, memory, logger, context };
}

export interface LooseCallbacks {
  getUsersForStates?: (...args: Parameters<PresenceRouterCallbacks['getUsersForStates']>) => unknown;
  getInterestedUsers?: (...args: Parameters<PresenceRouterCallbacks['getInterestedUsers']>) => unknown;
  getRestrictions?: (...args: Parameters<RestrictionCallback['getRestrictions']>) => unknown;
}

/** A router with modules named a, b, c…, whose callbacks may return anything. */
export function createTestRouter(modules: readonly LooseCallbacks[], limits: Partial<CallbackLimits> = {}) {
  const host = createTestHost();
  const router = new PresenceRouter(host.context);
  for (const [index, loose] of modules.entries()) {
    const isOnlyRestricting = Object.keys(loose).join() === 'getRestrictions';
    if (!isOnlyRestricting) {
      loose.getUsersForStates ??= () => new Map();
      loose.getInterestedUsers ??= () => [];
    }
    router.register('abcdefgh'.charAt(index), loose as PresenceRouterCallbacks, {
      ...DEFAULT_CALLBACK_LIMITS,
      ...limits,
    });
  }
  router.seal();
  const calls = (module: string, callback: string, outcome: string): number =>
    host.memory.value('thalamus_module_callback_total', { module, callback, outcome });
  const dropped = (callback: string, reason: string): number =>
    host.memory.value('thalamus_module_dropped_entries_total', { module: 'a', callback, reason });
  return { ...host, router, calls, dropped };
}

export function stateOf(userId: UserId, state: UserPresenceState['state'] = 'online'): UserPresenceState {
  return Object.freeze({
    userId,
    state,
    lastActiveTs: 1,
    lastFederationUpdateTs: 0,
    lastUserSyncTs: 0,
    statusMsg: null,
    currentlyActive: state === 'online',
  });
}

/** Many entries without having them. */
export function* endless<T>(make: (index: number) => T): Generator<T> {
  for (let index = 0; ; index += 1) yield make(index);
}

/** Modules throw anything. */
export function raise(value: unknown): never {
  throw value;
}
