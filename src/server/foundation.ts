/**
 * What every stage of a start has: the configuration, and the parts that are there from the beginning.
 */
import { createLogging } from '../adapters/logging/pino-logger.ts';
import { createPrometheusMetrics } from '../adapters/metrics/prometheus-metrics.ts';
import { createSystemClock } from '../adapters/system-clock.ts';
import type { Config, LogLevel } from '../config/config.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { Metrics } from '../ports/metrics.ts';
import { createReleases, type Releases } from './releases.ts';
import type { ServerOverrides } from './server.ts';

export interface Foundation {
  readonly config: Config;
  readonly overrides: ServerOverrides;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly releases: Releases;
  /** Does nothing to a logger that was handed in. */
  readonly setLogLevel: (level: LogLevel) => void;
}

export function createFoundation(config: Config, overrides: ServerOverrides): Foundation {
  const logging =
    overrides.logger === undefined
      ? createLogging(config.log)
      : { logger: overrides.logger, setLevel: (): void => undefined };
  return {
    config,
    overrides,
    clock: overrides.clock ?? createSystemClock(),
    logger: logging.logger,
    metrics: overrides.metrics ?? createPrometheusMetrics({ serverName: config.serverName }),
    releases: createReleases(logging.logger),
    setLogLevel: logging.setLevel,
  };
}
