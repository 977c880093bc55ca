/**
 * Starts the other programs of the federation benchmarks, and the DNS that leads to them.
 */
import { fileURLToPath } from 'node:url';
import { type DnsServer, startDnsServer } from '../../test/support/dns-server.ts';
import { type MeasuredProcess, startMeasured } from '../load/child-process.ts';
import { RawClient } from '../load/raw-client.ts';
import { LIVE_DOMAIN, type Material } from './material.ts';

export interface Sink {
  /** Where transactions go: TLS, any name. */
  readonly peers: number;
  /** Where connections are taken and nothing is answered. */
  readonly silent: number;
  /** Resolves when so many states have come in all. */
  arrived(states: number): Promise<SinkCount>;
  count(): Promise<SinkCount>;
  stop(): Promise<void>;
}

export interface SinkCount {
  readonly states: number;
  readonly transactions: number;
}

const RUN_TS = fileURLToPath(new URL('../../scripts/run-ts.mjs', import.meta.url));
const SINK = fileURLToPath(new URL('sink.ts', import.meta.url));
const HUB = fileURLToPath(new URL('hub.ts', import.meta.url));
const ARRIVAL_DEADLINE_MS = 60_000;

export async function startSink({ dir }: Material): Promise<Sink> {
  let ports = { port: 0, peers: 0, silent: 0 };
  const child = await startMeasured([RUN_TS, SINK, dir], (line) => {
    ports = JSON.parse(line) as typeof ports;
    return ports.port;
  });
  const client = await RawClient.open(ports.port);
  const ask = async (path: string): Promise<SinkCount> => {
    const { body } = await client.request('GET', path, null);
    return JSON.parse(body) as SinkCount;
  };
  return {
    ...ports,
    arrived: (states) => withDeadline(ask(`/wait/${states}`), ARRIVAL_DEADLINE_MS, `${states} states`),
    count: () => ask('/count'),
    stop: async () => {
      client.close();
      await child.stop();
    },
  };
}

export function startHub(
  mode: 'send' | 'receive',
  { dir }: Material,
  rest: readonly string[],
): Promise<MeasuredProcess> {
  return startMeasured([RUN_TS, HUB, mode, dir, ...rest], (line) => (JSON.parse(line) as { port: number }).port);
}

export function liveNames(count: number, port: number): string[] {
  return Array.from({ length: count }, (_, i) => `server-${i}.${LIVE_DOMAIN}:${port}`);
}

/** Every name leads to this machine. */
export async function startDns(names: Iterable<string>): Promise<DnsServer> {
  const dns = await startDnsServer();
  for (const name of names) dns.set(name.replace(/:\d+$/, ''), { A: ['127.0.0.1'] });
  return dns;
}

async function withDeadline<T>(promise: Promise<T>, ms: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${what}`)), ms);
  });
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
