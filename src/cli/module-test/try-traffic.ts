/**
 * `thalamus module test --against`: what modules would change in the traffic that a server has recorded.
 */
import { replayTraffic } from '../../testing/replay-traffic.ts';
import { ExitCode } from '../exit-codes.ts';
import type { Terminal } from '../terminal.ts';
import type { ModuleSource } from './module-source.ts';
import { printReplay, replayToJson } from './print-replay.ts';
import { createProgress } from './progress.ts';
import { trafficSource, type TrafficSourceOptions } from './traffic-source.ts';

export interface TryTrafficOptions extends TrafficSourceOptions {
  readonly top: number;
  readonly json: boolean;
}

/** @throws what stands in the way, as `explainFailure` explains it */
export async function tryTraffic(
  source: ModuleSource,
  options: TryTrafficOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const traffic = trafficSource(options, terminal.cwd);
  const interrupt = new AbortController();
  const onSignal = (): void => interrupt.abort();
  process.once('SIGINT', onSignal);
  process.once('SIGTERM', onSignal);
  try {
    using progress = createProgress(process.stderr);
    const report = await replayTraffic(untilAborted(traffic.lines(interrupt.signal), interrupt.signal), {
      load: () => source.load(undefined),
      signal: interrupt.signal,
      onProgress: (updates) => {
        const done = traffic.bytes === null ? null : Math.min(1, traffic.read / Math.max(1, traffic.bytes));
        progress.show(done, `${updates} updates`);
      },
    });
    progress[Symbol.dispose]();
    if (report.serverName === null && report.unreadable > 0) {
      terminal.complain(`${traffic.name} is no record of traffic: there is nothing in it that could be read`);
      return ExitCode.CONFIG;
    }
    const { top, json } = options;
    if (json) terminal.print(JSON.stringify(replayToJson(report, traffic.name, top), null, 2));
    else for (const line of printReplay(report, traffic.name, top)) terminal.print(line);
    return report.problems.size === 0 && report.isComplete ? ExitCode.OK : ExitCode.FAILURE;
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}

/** What was read until then counts. */
async function* untilAborted(lines: AsyncIterable<string>, signal: AbortSignal): AsyncIterable<string> {
  try {
    yield* lines;
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
