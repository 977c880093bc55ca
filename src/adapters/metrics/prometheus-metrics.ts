/**
 * The `Metrics` port on prom-client, with Node's own process metrics.
 *
 * Metrics that carry the reference server's names also carry its label `server_name`, added when somebody scrapes, so that counting
 * costs nothing more. Counters are exposed with the suffix `_total`, whether or not their name has it already.
 */
import { collectDefaultMetrics, Gauge as PromGauge, Registry } from 'prom-client';
import type { Gauge, MetricOptions, Metrics } from '../../ports/metrics.ts';
import { PlainCounter, PlainHistogram } from './plain-metrics.ts';

export interface PrometheusOptions {
  readonly serverName: string;
  /** Whether memory, CPU, event loop and garbage collection are measured, too. @default true */
  readonly processMetrics?: boolean;
}

/** Prefix of names that the reference server has given. */
const REFERENCE_PREFIX = 'synapse_';

/** Asking twice for one name gives the same metric. @throws Error if the second time asks for another kind of metric */
export function createPrometheusMetrics({ serverName, processMetrics = true }: PrometheusOptions): Metrics {
  const reference = new Registry();
  reference.setDefaultLabels({ server_name: serverName });
  const own = new Registry();
  if (processMetrics) collectDefaultMetrics({ register: own });

  const known = new Map<string, { readonly kind: string; readonly metric: unknown }>();
  const once = <T>(kind: string, name: string, make: () => T): T => {
    const existing = known.get(name);
    if (existing === undefined) {
      const metric = make();
      known.set(name, { kind, metric });
      return metric;
    }
    if (existing.kind !== kind) throw new Error(`the metric ${name} is a ${existing.kind} already, not a ${kind}`);
    return existing.metric as T;
  };
  const configuration = (name: string, { help, labelNames = [] }: MetricOptions) => ({
    name,
    help,
    labelNames: [...labelNames],
    registers: [name.startsWith(REFERENCE_PREFIX) ? reference : own],
  });

  return {
    counter: (options) => {
      const name = options.name.endsWith('_total') ? options.name : `${options.name}_total`;
      return once('counter', name, () => new PlainCounter(configuration(name, options)));
    },
    gauge: (options) =>
      once('gauge', options.name, () => makeGauge(configuration(options.name, options), options.collect)),
    histogram: (options) =>
      once(
        'histogram',
        options.name,
        () => new PlainHistogram({ ...configuration(options.name, options), buckets: options.buckets }),
      ),
    expose: async () => {
      const texts = await Promise.all([reference.metrics(), own.metrics()]);
      const body = texts.map((text) => text.trimEnd()).filter((text) => text !== '');
      return { contentType: own.contentType, body: `${body.join('\n')}\n` };
    },
  };
}

function makeGauge(configuration: ConstructorParameters<typeof PromGauge>[0], collect?: () => number): Gauge {
  const gauge = new PromGauge({
    ...configuration,
    ...(collect === undefined
      ? {}
      : {
          collect(this: PromGauge) {
            this.set(collect());
          },
        }),
  });
  return {
    set: (value, labels) => {
      if (labels === undefined) gauge.set(value);
      else gauge.set(labels, value);
    },
  };
}
