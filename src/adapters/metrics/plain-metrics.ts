/**
 * Counters and histograms where one more costs an addition, in the form in which prom-client's registries read them.
 *
 * prom-client checks the labels, joins them to a key and copies them each time something is counted, which with two of
 * them took a microsecond for every request. Here the values of each set of labels have a place that is looked up once.
 */
import type { Metric, Registry } from 'prom-client';
import type { BoundCounter, BoundHistogram, Counter, Histogram, Labels } from '../../ports/metrics.ts';

export interface PlainMetricOptions {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
  readonly registers: readonly Registry[];
}

/** One line of the text form. */
interface Sample {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

const NO_LABELS: Labels = {};

export class PlainCounter implements Counter {
  readonly #places: Places<CounterPlace>;

  constructor(options: PlainMetricOptions) {
    this.#places = new Places(options.labelNames, () => new CounterPlace());
    register('counter', options, () =>
      this.#places.all.map(({ labels, place }) => ({ metricName: options.name, labels, value: place.value })),
    );
  }

  inc(labels: Labels = NO_LABELS, by = 1): void {
    this.#places.of(labels).inc(by);
  }

  of(labels: Labels): BoundCounter {
    return this.#places.of(labels);
  }
}

export class PlainHistogram implements Histogram {
  readonly #places: Places<HistogramPlace>;

  /** `buckets`: upper bounds, ascending. */
  constructor(options: PlainMetricOptions & { readonly buckets: readonly number[] }) {
    const bounds = Float64Array.from(options.buckets);
    this.#places = new Places(options.labelNames, () => new HistogramPlace(bounds));
    register('histogram', options, () =>
      this.#places.all.flatMap(({ labels, place }) => samplesOf(options.name, labels, place)),
    );
  }

  observe(value: number, labels: Labels = NO_LABELS): void {
    this.#places.of(labels).observe(value);
  }

  of(labels: Labels): BoundHistogram {
    return this.#places.of(labels);
  }
}

class CounterPlace implements BoundCounter {
  value = 0;

  inc(by = 1): void {
    if (!(by >= 0)) throw new RangeError(`a counter cannot count ${by}`);
    this.value += by;
  }
}

class HistogramPlace implements BoundHistogram {
  readonly bounds: Float64Array;
  /** One more than there are bounds: what is above all of them. */
  readonly counts: Float64Array;
  sum = 0;

  constructor(bounds: Float64Array) {
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    if (!Number.isFinite(value)) throw new RangeError(`a histogram cannot observe ${value}`);
    let bucket = 0;
    while (bucket < this.bounds.length && value > (this.bounds[bucket] as number)) bucket++;
    this.counts[bucket] = (this.counts[bucket] as number) + 1;
    this.sum += value;
  }
}

/** What is counted for each set of labels; without label names, for the empty one from the start. */
class Places<T> {
  readonly #labelNames: readonly string[];
  readonly #make: () => T;
  readonly #byKey = new Map<string, { readonly labels: Labels; readonly place: T }>();

  constructor(labelNames: readonly string[], make: () => T) {
    this.#labelNames = labelNames;
    this.#make = make;
    if (labelNames.length === 0) this.of(NO_LABELS);
  }

  get all(): { readonly labels: Labels; readonly place: T }[] {
    return [...this.#byKey.values()];
  }

  of(labels: Labels): T {
    let key = '';
    for (const name of this.#labelNames) key += `${labels[name] ?? ''}\n`;
    const known = this.#byKey.get(key);
    if (known !== undefined) return known.place;
    const unknown = Object.keys(labels).find((name) => !this.#labelNames.includes(name));
    if (unknown !== undefined) throw new Error(`the metric has no label ${unknown}`);
    const place = this.#make();
    this.#byKey.set(key, { labels: { ...labels }, place });
    return place;
  }
}

function samplesOf(name: string, labels: Labels, { bounds, counts, sum }: HistogramPlace): Sample[] {
  const samples: Sample[] = [];
  let count = 0;
  for (const [i, inBucket] of counts.entries()) {
    count += inBucket;
    samples.push({ metricName: `${name}_bucket`, labels: { le: bounds[i] ?? '+Inf', ...labels }, value: count });
  }
  samples.push(
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: count },
  );
  return samples;
}

function register(type: string, { name, help, registers }: PlainMetricOptions, samples: () => Sample[]): void {
  const metric = { name, help, get: async () => ({ name, help, type, values: samples(), aggregator: 'sum' }) };
  // The registry asks for nothing but this; prom-client's type names its own classes.
  for (const registry of registers) registry.registerMetric(metric as unknown as Metric);
}
