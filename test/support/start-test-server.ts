/**
 * Starts a real server for a test: a configuration file in a temporary folder, port 0, SQLite on disk, and clients that speak HTTP.
 *
 * What is in the file goes through the same code as an administrator's. `restart` and `kill` keep folder and port, so that clients
 * and their tokens go on as they would against a server that came back.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RecordingLogger } from '../../src/adapters/memory/logger.ts';
import { createPrometheusMetrics } from '../../src/adapters/metrics/prometheus-metrics.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { createServer } from '../../src/server/create-server.ts';
import type { Server, ServerOverrides } from '../../src/server/server.ts';
import { type ClientHelpers, createClientHelpers } from './test-client.ts';
import { type TestConfigOptions, testConfig } from './test-config.ts';

export interface TestServerOptions extends TestConfigOptions {
  /** Parts that take the place of the real ones: a manual clock, a recording federation transport, busy timers. */
  readonly overrides?: ServerOverrides;
}

export interface TestServer extends ClientHelpers, AsyncDisposable {
  /** `http://127.0.0.1:<port>`, the same after a restart. */
  readonly baseUrl: string;
  readonly serverName: string;
  /** The temporary folder: configuration, module sources, database. Removed by `stop`. */
  readonly dir: string;
  readonly configFile: string;
  /** Every log line so far, of all starts. */
  readonly logger: RecordingLogger;
  /** The present one; `restart` makes another. */
  readonly server: Server;
  /** Stops in good order and starts again on the same folder and port, with changed keys of the configuration if given. */
  restart(changes?: Readonly<Record<string, unknown>>): Promise<void>;
  /** Drops the server as a crash would: nothing is saved. `restart` brings it back. */
  kill(): Promise<void>;
  /** The value of a metric as /metrics shows it, such as `thalamus_x_total{module="0"}`; null if it is not there. */
  metric(series: string): Promise<number | null>;
  /** Stops the server and removes the folder. Idempotent. */
  stop(): Promise<void>;
}

/** @example `await using server = await startTestServer({ modules: [{ source: 'export default class …' }] });` */
export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const dir = mkdtempSync(join(tmpdir(), 'thalamus-test-'));
  const configFile = join(dir, 'thalamus.yaml');
  const logger = new RecordingLogger();
  let port = 0;
  let changes: Readonly<Record<string, unknown>> = {};
  let server: Server;
  let isRunning = false;

  async function start(): Promise<void> {
    const file = { ...testConfig(dir, port, options), ...changes };
    writeFileSync(configFile, JSON.stringify(file, null, 2));
    const { config } = loadConfig(configFile);
    const metrics = createPrometheusMetrics({ serverName: config.serverName, processMetrics: false });
    server = createServer(config, { logger, metrics, ...options.overrides });
    await server.start();
    isRunning = true;
    port = server.addresses[0]?.port ?? 0;
  }

  try {
    await start();
  } catch (error) {
    rmSync(dir, { recursive: true, force: true });
    throw error;
  }
  const baseUrl = `http://127.0.0.1:${port}`;
  const serverName = options.serverName ?? 'test.example';

  const client = createClientHelpers(baseUrl, serverName);
  // Open requests end with the server; connections without one must not be taken for the next server's.
  const end = async (how: 'stop' | 'abandon'): Promise<void> => {
    if (!isRunning) return;
    isRunning = false;
    await Promise.all([server[how](), client.disconnect()]);
  };

  const stop = async (): Promise<void> => {
    await end('stop');
    rmSync(dir, { recursive: true, force: true });
  };
  return {
    ...client,
    baseUrl,
    serverName,
    dir,
    configFile,
    logger,
    get server() {
      return server;
    },
    restart: async (changed) => {
      await end('stop');
      changes = { ...changes, ...changed };
      await start();
    },
    kill: () => end('abandon'),
    metric: async (series) => {
      const text = (await client.request('GET', '/metrics')).body as string;
      const line = text.split('\n').find((candidate) => candidate.startsWith(`${series} `));
      return line === undefined ? null : Number(line.slice(series.length + 1));
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
