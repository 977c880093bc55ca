/** What every part of the host stands on. Handed around inside the host only. */
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { ModuleMetrics } from './module-metrics.ts';
import type { Watchdog } from './watchdog.ts';

export interface HostContext {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: ModuleMetrics;
  readonly watchdog: Watchdog;
}
