/**
 * Counters, gauges and histograms, named as Prometheus names them. Labels stay low in number: never a user, room or server.
 */
export interface Metrics {
  counter(options: MetricOptions): Counter;
  /** With `collect`, the gauge is read when somebody scrapes. */
  gauge(options: MetricOptions & { collect?: () => number }): Gauge;
  histogram(options: MetricOptions & { buckets: readonly number[] }): Histogram;
  /** The Prometheus text form of everything registered, and its content type. */
  expose(): Promise<{ contentType: string; body: string }>;
}

export interface MetricOptions {
  readonly name: string;
  readonly help: string;
  readonly labelNames?: readonly string[];
}

export type Labels = Readonly<Record<string, string>>;

export interface Counter {
  inc(labels?: Labels, by?: number): void;
  /** For what is counted often: the same labels each time, looked up once. */
  of(labels: Labels): BoundCounter;
}
export interface BoundCounter {
  inc(by?: number): void;
}
export interface Gauge {
  set(value: number, labels?: Labels): void;
}
export interface Histogram {
  observe(value: number, labels?: Labels): void;
  /** For what is observed often: the same labels each time, looked up once. */
  of(labels: Labels): BoundHistogram;
}
export interface BoundHistogram {
  observe(value: number): void;
}
