/**
 * Metrics that a test can read back, by name and labels.
 */
import type { Counter, Gauge, Histogram, Labels, MetricOptions, Metrics } from '../../ports/metrics.ts';

interface Metric {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly collect: (() => number) | undefined;
  /** By labels, in their text form. Of a histogram: what was observed. */
  readonly values: Map<string, number[]>;
}

export class MemoryMetrics implements Metrics {
  readonly #metrics = new Map<string, Metric>();

  counter(options: MetricOptions): Counter {
    const { values } = this.#register(options.name, 'counter');
    const inc: Counter['inc'] = (labels = {}, by = 1) => {
      const key = labelText(labels);
      values.set(key, [(values.get(key)?.[0] ?? 0) + by]);
    };
    return { inc, of: (labels) => ({ inc: (by) => inc(labels, by) }) };
  }

  gauge(options: MetricOptions & { collect?: () => number }): Gauge {
    const { values } = this.#register(options.name, 'gauge', options.collect);
    return { set: (value, labels = {}) => void values.set(labelText(labels), [value]) };
  }

  histogram(options: MetricOptions & { buckets: readonly number[] }): Histogram {
    const { values } = this.#register(options.name, 'histogram');
    const observe: Histogram['observe'] = (value, labels = {}) => {
      const key = labelText(labels);
      const observed = values.get(key);
      if (observed === undefined) values.set(key, [value]);
      else observed.push(value);
    };
    return { observe, of: (labels) => ({ observe: (value) => observe(value, labels) }) };
  }

  async expose(): Promise<{ contentType: string; body: string }> {
    const lines: string[] = [];
    for (const [name, { type, collect, values }] of this.#metrics) {
      lines.push(`# TYPE ${name} ${type}`);
      if (collect !== undefined) lines.push(`${name} ${collect()}`);
      if (type === 'histogram') {
        for (const [labels, observed] of values) {
          lines.push(`${name}_count${labels} ${observed.length}`, `${name}_sum${labels} ${sum(observed)}`);
        }
      } else for (const [labels, [value]] of values) lines.push(`${name}${labels} ${value}`);
    }
    return { contentType: 'text/plain; version=0.0.4; charset=utf-8', body: `${lines.join('\n')}\n` };
  }

  /** The value of a counter or gauge; 0 if it was never touched. */
  value(name: string, labels: Labels = {}): number {
    const metric = this.#metrics.get(name);
    return metric?.collect?.() ?? metric?.values.get(labelText(labels))?.[0] ?? 0;
  }

  /** What a histogram observed, in order. */
  observed(name: string, labels: Labels = {}): readonly number[] {
    return this.#metrics.get(name)?.values.get(labelText(labels)) ?? [];
  }

  /** Every name that was registered. */
  get names(): string[] {
    return [...this.#metrics.keys()];
  }

  #register(name: string, type: Metric['type'], collect?: () => number): Metric {
    const known = this.#metrics.get(name);
    if (known !== undefined && known.type !== type) throw new Error(`the metric ${name} is a ${known.type}`);
    const metric = { type, collect, values: known?.values ?? new Map<string, number[]>() };
    this.#metrics.set(name, metric);
    return metric;
  }
}

function labelText(labels: Labels): string {
  const entries = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.length === 0
    ? ''
    : `{${entries.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(',')}}`;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
