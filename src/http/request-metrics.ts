/**
 * Counts and times requests by operation, under the reference server's metric names where the meaning is the same.
 *
 * Answers are noted in a fixed buffer and counted when it is full or somebody reads the metrics: counting one at a time
 * was a tenth of the cost of a presence request.
 */
import type { Counter, Histogram, Labels, Metrics } from '../ports/metrics.ts';

const BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60] as const;

/** What is counted about one operation. */
export interface OperationMetrics {
  readonly method: string;
  readonly operationId: string;
  readonly labels: Labels;
  readonly byStatus: Map<number, Labels>;
}

const BUFFERED_ANSWERS = 512;

export class RequestMetrics {
  readonly #operations: (OperationMetrics | null)[] = Array.from({ length: BUFFERED_ANSWERS }, () => null);
  readonly #statuses = new Uint16Array(BUFFERED_ANSWERS);
  readonly #durationsMs = new Float64Array(BUFFERED_ANSWERS);
  #buffered = 0;
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
    return { method, operationId, labels: { method, servlet: operationId }, byStatus: new Map() };
  }

  answered(operation: OperationMetrics, httpStatus: number, durationMs: number): void {
    const i = this.#buffered;
    this.#operations[i] = operation;
    this.#statuses[i] = httpStatus;
    this.#durationsMs[i] = durationMs;
    this.#buffered = i + 1;
    if (this.#buffered === BUFFERED_ANSWERS) this.flush();
  }

  /** Counts what is noted; call it before metrics are read. */
  flush(): void {
    for (let i = 0; i < this.#buffered; i++) {
      const operation = this.#operations[i];
      if (operation === null || operation === undefined) continue;
      this.#responses.inc(labelsOf(operation, this.#statuses[i] ?? 0));
      this.#seconds.observe((this.#durationsMs[i] ?? 0) / 1000, operation.labels);
    }
    this.#buffered = 0;
  }

  rejectedConnection(reason: 'capacity' | 'evicted' | 'pipelining' | 'timeout' | 'malformed'): void {
    this.#rejected.inc({ reason });
  }
}

function labelsOf(operation: OperationMetrics, httpStatus: number): Labels {
  let labels = operation.byStatus.get(httpStatus);
  if (labels === undefined) {
    labels = { method: operation.method, servlet: operation.operationId, code: String(httpStatus) };
    operation.byStatus.set(httpStatus, labels);
  }
  return labels;
}
