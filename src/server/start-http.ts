/**
 * Last stage of a start: the listeners. Nobody is let in before everything behind them is ready.
 */
import type { Config } from '../config/config.ts';
import { createHttpServer, type HttpServer } from '../http/http-server.ts';
import type { Route } from '../http/route.ts';
import { MatrixError } from '../matrix/errors.ts';
import type { Logger } from '../ports/logger.ts';
import type { Metrics } from '../ports/metrics.ts';
import { readTls } from './read-tls.ts';
import type { Releases } from './releases.ts';

export interface HttpParts {
  readonly config: Config;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly routes: readonly Route[];
}

/** How long requests in flight may take to finish when the server stops. */
const CLOSE_GRACE_MS = 4000;

/** @throws Node's error for the first address that cannot be listened at, ConfigError for TLS files */
export async function startHttp(
  { config, logger, metrics, routes }: HttpParts,
  releases: Releases,
): Promise<HttpServer> {
  const { maxConnections } = config.limits;
  const http = createHttpServer({
    listeners: config.listeners,
    routes,
    authenticate: () => {
      throw new MatrixError(401, 'M_UNKNOWN_TOKEN', 'Unknown access token');
    },
    limits: { maxRequestBytes: config.maxRequestSize },
    metrics,
    logger,
    ...(config.tls === null ? {} : { tls: readTls(config.tls) }),
    ...(maxConnections === null ? {} : { maxConnections }),
  });
  releases.add('listeners', () => http.close(CLOSE_GRACE_MS), CLOSE_GRACE_MS + 1000);
  await http.listen();
  for (const { address, port, protocol, resources } of http.addresses) {
    logger.info({ address, port, protocol, resources }, 'listening');
  }
  return http;
}
