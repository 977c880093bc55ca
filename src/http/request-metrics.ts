/**
 * Counts and times requests by operation, under the reference server's metric names where the meaning is the same.
 */
import type { BoundCounter, BoundHistogram, Counter, Histogram, Metrics } from '../ports/metrics.ts';

const BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60] as const;

/** What is counted about one operation. */
export interface OperationMetrics {
  readonly method: string;
  readonly operationId: string;
  /** Made with the first answer, so that operations that nobody uses have no lines. */
  seconds: BoundHistogram | null;
  readonly responses: Map<number, BoundCounter>;
}

export class RequestMetrics {
  readonly #responses: Counter;
  readonly #seconds: Histogram;
  readonly #rejected: Counter;

  constructor(metrics: Metrics) {
    this.#responses = metrics.counter({
      name: 'synapse_http_server_responses_total',
      help: 'HTTP answers by operation and status',
      labelNames: ['method', 'servlet', 'code'],
    });
    this.#seconds = metrics.histogram({
      name: 'synapse_http_server_response_time_seconds',
      help: 'Time from a request to its answer, waiting included',
      labelNames: ['method', 'servlet'],
      buckets: BUCKETS_S,
    });
    this.#rejected = metrics.counter({
      name: 'thalamus_http_rejected_connections_total',
      help: 'Connections closed by the server: by limit, deadline or because they were not HTTP',
      labelNames: ['reason'],
    });
  }

  operation(method: string, operationId: string): OperationMetrics {
    return { method, operationId, seconds: null, responses: new Map() };
  }

  answered(operation: OperationMetrics, httpStatus: number, durationMs: number): void {
    const { method, operationId: servlet, responses } = operation;
    operation.seconds ??= this.#seconds.of({ method, servlet });
    operation.seconds.observe(durationMs / 1000);
    let counter = responses.get(httpStatus);
    if (counter === undefined) {
      counter = this.#responses.of({ method, servlet, code: String(httpStatus) });
      responses.set(httpStatus, counter);
    }
    counter.inc();
  }

  rejectedConnection(reason: 'capacity' | 'evicted' | 'pipelining' | 'timeout' | 'malformed'): void {
    this.#rejected.inc({ reason });
  }
}
