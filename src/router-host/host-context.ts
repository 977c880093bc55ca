/** What every part of the host stands on. Handed around inside the host only. */
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { ModuleMetrics } from './module-metrics.ts';
import type { Watchdog } from './watchdog.ts';

export interface HostContext {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Of one module's context only: its file and export. */
  readonly spec?: string;
  /** Of one module's context only: whose users are local. */
  readonly serverName?: string;
  readonly metrics: ModuleMetrics;
  readonly watchdog: Watchdog;
}

/**
 * The same for one module: its lines in the log say which file and export it is, because its name may be no more than its place in the list.
 *
 * @param spec - as the configuration spells it, such as `./my-router.ts#MyRouter`
 */
export function createModuleContext(host: HostContext, spec: string, serverName: string): HostContext {
  return { ...host, logger: host.logger.child({ spec }), spec, serverName };
}

/** `module 0 (./my-router.ts#MyRouter)` */
export function describeModule(module: string, { spec }: HostContext): string {
  return spec === undefined ? `module ${module}` : `module ${module} (${spec})`;
}
