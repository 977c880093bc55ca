/**
 * `/health` and the metrics pages: plain text for load balancers and Prometheus, without authentication.
 *
 * `/health` is on every listener, as the reference server has it; metrics only where the listener says `metrics`.
 */
import type { Metrics } from '../ports/metrics.ts';
import { SharedHeaders } from './answer-head.ts';
import type { Exchange } from './exchange.ts';

const NO_STORE = new SharedHeaders(['Cache-Control', 'no-store']);
const TEXT = ['Content-Type', 'text/plain; charset=utf-8'] as const;

export class OpenResources {
  readonly #metrics: Metrics;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  /** Whether `path` is one of ours on a listener with `resources`. */
  owns(resources: ReadonlySet<string>, method: string, path: string): boolean {
    if (method !== 'GET' && method !== 'HEAD') return false;
    return path === '/health' || ((path === '/metrics' || path === '/_synapse/metrics') && resources.has('metrics'));
  }

  /** Answers a path that `owns` said yes to. */
  serve(exchange: Exchange, path: string): void {
    if (path === '/health') {
      exchange.send(200, NO_STORE, 'OK', TEXT);
      return;
    }
    this.#metrics.expose().then(
      ({ contentType, body }) => {
        exchange.send(200, NO_STORE, body, ['Content-Type', contentType]);
      },
      () => {
        exchange.send(500, NO_STORE, 'Metrics are not available', TEXT);
      },
    );
  }
}
