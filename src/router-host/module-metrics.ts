/**
 * The host's metrics. Labels are the modules' names from the configuration and fixed words: never a user, room or server.
 */
import type { Counter, Gauge, Histogram, Metrics } from '../ports/metrics.ts';

export interface ModuleMetrics {
  readonly seconds: Histogram;
  readonly calls: Counter;
  readonly rests: Counter;
  readonly dropped: Counter;
  readonly disagreements: Counter;
  readonly remembered: Gauge;
  readonly rememberedRestrictions: Gauge;
  readonly background: Counter;
  readonly webRequests: Counter;
}

export function createModuleMetrics(metrics: Metrics): ModuleMetrics {
  const perCallback = ['module', 'callback'];
  return {
    seconds: metrics.histogram({
      name: 'thalamus_module_callback_seconds',
      help: 'How long module callbacks took, until their answer was read or passed over',
      labelNames: perCallback,
      buckets: [0.000_01, 0.000_1, 0.001, 0.005, 0.025, 0.1, 0.5, 1, 2, 5],
    }),
    calls: metrics.counter({
      name: 'thalamus_module_callback_total',
      help: 'Calls of module callbacks: ok, threw, timed_out, invalid_return, blocked (held up the process), rested (not called)',
      labelNames: [...perCallback, 'outcome'],
    }),
    rests: metrics.counter({
      name: 'thalamus_module_rests_total',
      help: 'Times a module callback was put to rest after failures in a row',
      labelNames: perCallback,
    }),
    dropped: metrics.counter({
      name: 'thalamus_module_dropped_entries_total',
      help: 'Entries of module answers that were dropped, by reason',
      labelNames: [...perCallback, 'reason'],
    }),
    disagreements: metrics.counter({
      name: 'thalamus_module_disagreements_total',
      help: 'Pairs of observer and user that only one of the two callbacks of a module named',
      labelNames: ['module'],
    }),
    remembered: metrics.gauge({
      name: 'thalamus_module_remembered_interest',
      help: 'User ids in the remembered answers of getInterestedUsers',
      labelNames: ['module'],
    }),
    rememberedRestrictions: metrics.gauge({
      name: 'thalamus_module_remembered_restrictions',
      help: 'Ids of sources and observers in the remembered answers of getRestrictions',
      labelNames: ['module'],
    }),
    background: metrics.counter({
      name: 'thalamus_module_background_total',
      help: 'Background calls of modules: ok, failed, blocked (held up the process)',
      labelNames: ['module', 'outcome'],
    }),
    webRequests: metrics.counter({
      name: 'thalamus_module_web_requests_total',
      help: 'Requests for web resources of modules: ok, failed',
      labelNames: ['module', 'outcome'],
    }),
  };
}
