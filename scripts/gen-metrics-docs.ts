/**
 * Writes docs/reference/metrics.md: every metric that a server registers, by starting one and listening to what it asks for.
 *
 * Run with `npm run docs:reference`; test/config/reference-docs.test.ts fails while it is out of date.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { SilentLogger } from '../src/adapters/memory/logger.ts';
import { createPrometheusMetrics } from '../src/adapters/metrics/prometheus-metrics.ts';
import { parseConfig } from '../src/config/parse-config.ts';
import type { MetricOptions, Metrics } from '../src/ports/metrics.ts';
import { createServer } from '../src/server/create-server.ts';

export const metricsPage = fileURLToPath(new URL('../docs/reference/metrics.md', import.meta.url));

const HEAD = `# Metrics

<!-- Written by scripts/gen-metrics-docs.ts from a server that runs. Do not edit. -->

In Prometheus' text form at \`/metrics\` and \`/_synapse/metrics\`, on listeners with the resource \`metrics\`. Names that begin with \`synapse_\` mean what
they mean in the reference server, and carry its label \`server_name\`, so that existing dashboards draw them; \`thalamus_\` is ours. No label is ever a user, a
room or another server. Beside these there are Node's own metrics of the process (\`process_…\`, \`nodejs_…\`).`;

interface Registered extends MetricOptions {
  readonly type: string;
}

/** The page as it should be. */
export async function renderMetricsPage(): Promise<string> {
  const registered = (await collectMetrics()).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const table = (prefix: string): string =>
    [
      '| name | type | labels | counts |',
      '| --- | --- | --- | --- |',
      ...registered
        .filter(({ name }) => name.startsWith(prefix))
        .map(({ name, type, labelNames = [], help }) => {
          return `| \`${name}\` | ${type} | ${labelNames.map((label) => `\`${label}\``).join(', ')} | ${help.replaceAll('|', '\\|')} |`;
        }),
    ].join('\n');
  return `${HEAD}\n\n## Names of the reference server\n\n${table('synapse_')}\n\n## Our own\n\n${table('thalamus_')}\n`;
}

async function collectMetrics(): Promise<Registered[]> {
  const dir = mkdtempSync(join(tmpdir(), 'thalamus-metrics-'));
  const registered = new Map<string, Registered>();
  try {
    writeFileSync(join(dir, 'module.ts'), 'export default class {}');
    // Some are registered only with federation, the admin API or a record of traffic, and one only without federation.
    for (const names of [['metrics'], ['metrics', 'federation', 'admin']]) {
      const text = JSON.stringify({
        server_name: 'example.org',
        listeners: [{ port: 0, bind_addresses: ['127.0.0.1'], resources: [{ names }] }],
        database: { args: { database: ':memory:' } },
        modules: [{ module: './module.ts' }],
        ...(names.includes('admin') ? { record_traffic: { path: 'traffic.ndjson' } } : {}),
      });
      const { config } = parseConfig(text, {
        file: join(dir, 'thalamus.yaml'),
        fileName: 'thalamus.yaml',
        readText: () => '',
        environment: { THALAMUS_ADMIN_TOKEN: 'x'.repeat(16) },
      });
      const metrics = listenTo(
        createPrometheusMetrics({ serverName: 'example.org', processMetrics: false }),
        registered,
      );
      const server = createServer(config, { metrics, logger: new SilentLogger() });
      await server.start();
      await server.stop();
    }
  } finally {
    rmSync(dir, { recursive: true });
  }
  return [...registered.values()];
}

function listenTo(metrics: Metrics, registered: Map<string, Registered>): Metrics {
  const note = (type: string, options: MetricOptions): void => {
    const name = type === 'counter' ? `${options.name.replace(/_total$/, '')}_total` : options.name;
    registered.set(name, { ...options, name, type });
  };
  return {
    counter: (options) => {
      note('counter', options);
      return metrics.counter(options);
    },
    gauge: (options) => {
      note('gauge', options);
      return metrics.gauge(options);
    },
    histogram: (options) => {
      note('histogram', options);
      return metrics.histogram(options);
    },
    expose: () => metrics.expose(),
  };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  writeFileSync(metricsPage, await renderMetricsPage());
}
