/**
 * Gauges of what the sync holds in memory.
 */
import type { Metrics } from '../../ports/metrics.ts';
import type { Notifier } from '../notifier.ts';
import type { SyncFilters } from './filters.ts';

export interface MeasuredSync {
  readonly notifier: Pick<Notifier, 'stats'>;
  readonly syncFilters: Pick<SyncFilters, 'size'>;
}

/** Registers the gauges; call it once per server. */
export function registerSyncMetrics(metrics: Metrics, { notifier, syncFilters }: MeasuredSync): void {
  metrics.gauge({
    name: 'thalamus_sync_wait_timers',
    help: 'Timers that all waiting syncs share',
    collect: () => notifier.stats.timers,
  });
  metrics.gauge({
    name: 'thalamus_sync_known_positions',
    help: 'Users of whom it is known how new their rooms are',
    collect: () => notifier.stats.positions,
  });
  metrics.gauge({
    name: 'thalamus_sync_filters_ready',
    help: 'Filters kept ready for use',
    collect: () => syncFilters.size,
  });
}
