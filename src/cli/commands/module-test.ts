/**
 * `thalamus module test`: tries modules in a server in memory, before anybody's presence depends on them: on scenarios from files, or
 * on traffic that a server has recorded.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { ConfigError } from '../../errors.ts';
import { runScenario } from '../../testing/run-scenario.ts';
import { AdminApiError } from '../admin-api.ts';
import { ExitCode } from '../exit-codes.ts';
import { explainFailure } from '../explain-failure.ts';
import { type ModuleSource, moduleSource, scenarioBeside } from '../module-test/module-source.ts';
import { type ParsedScenario, parseScenario } from '../module-test/parse-scenario.ts';
import { isPassed, printScenario, toJson } from '../module-test/print-scenario.ts';
import { tryTraffic } from '../module-test/try-traffic.ts';
import { updateScenario } from '../module-test/update-scenario.ts';
import { watchAndRepeat } from '../module-test/watch-and-repeat.ts';
import { readTextFile } from '../read-text-file.ts';
import type { Terminal } from '../terminal.ts';

export interface ModuleTestOptions {
  /** The module's configuration: YAML, JSON, or `@file`. */
  readonly config?: string;
  /** A server's configuration, for the modules in it. */
  readonly configuration?: string;
  readonly scenario?: readonly string[];
  readonly update?: boolean;
  readonly watch?: boolean;
  readonly json?: boolean;
  /** Recorded traffic: a file, or the address of a server. */
  readonly against?: string;
  readonly tokenFile?: string;
  readonly top?: string;
}

export async function moduleTest(
  module: string | undefined,
  options: ModuleTestOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  let source: ModuleSource | null = null;
  let files: readonly string[];
  try {
    source = moduleSource(module, options, terminal.cwd);
    if (options.against !== undefined) return await tryAgainst(options.against, source, options, terminal);
    files = scenarioFiles(source, options.scenario, terminal.cwd);
  } catch (error) {
    return complain(error, source?.loaded ?? null, terminal);
  }
  if (options.watch === true) {
    return watchAndRepeat([...files, ...(source.file === null ? [] : [source.file])], terminal);
  }
  const codes: ExitCode[] = [];
  const results: unknown[] = [];
  for (const file of files) {
    const { exitCode, result } = await tryScenario(source, file, options, terminal);
    codes.push(exitCode);
    if (result !== undefined) results.push(result);
  }
  if (options.json === true) terminal.print(JSON.stringify({ scenarios: results }, null, 2));
  // What could not be tried at all is the better place to begin.
  return codes.toSorted((a, b) => rank(b) - rank(a))[0] ?? ExitCode.OK;
}

async function tryAgainst(
  against: string,
  source: ModuleSource,
  { tokenFile, configuration, json = false, top = '10', scenario, update, watch }: ModuleTestOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  if (scenario !== undefined || update === true || watch === true) {
    throw new ConfigError('--against goes with neither --scenario, nor --update, nor --watch');
  }
  if (!/^\d{1,6}$/.test(top)) throw new ConfigError(`--top: must be a whole number, not ${JSON.stringify(top)}`);
  return tryTraffic(
    source,
    {
      against,
      ...(tokenFile === undefined ? {} : { tokenFile }),
      ...(configuration === undefined ? {} : { configuration }),
      json,
      top: Number(top),
    },
    terminal,
  );
}

function rank(code: ExitCode): number {
  return [ExitCode.OK, ExitCode.FAILURE, ExitCode.MODULE, ExitCode.CONFIG].indexOf(code);
}

function scenarioFiles({ file }: ModuleSource, given: readonly string[] | undefined, cwd: string): readonly string[] {
  if (given !== undefined) return given.map((name) => resolve(cwd, name));
  if (file === null) throw new ConfigError('name a scenario with --scenario');
  const beside = scenarioBeside(file);
  if (existsSync(beside)) return [beside];
  throw new ConfigError(`there is no ${relative(cwd, beside)}: write one, or name a scenario with --scenario`);
}

async function tryScenario(
  source: ModuleSource,
  file: string,
  options: ModuleTestOptions,
  terminal: Terminal,
): Promise<{ exitCode: ExitCode; result?: unknown }> {
  let parsed: ParsedScenario | null = null;
  try {
    const text = readTextFile(file, relative(terminal.cwd, file));
    parsed = parseScenario(text, relative(terminal.cwd, file), source.serverName);
    const { config, scenario } = parsed;
    const outcome = await runScenario(scenario, () => source.load(config));
    if (options.update === true) {
      const updated = updateScenario(text, parsed, outcome);
      if (updated !== null) {
        writeFileSync(file, updated);
        if (options.json !== true) terminal.print(`${parsed.fileName}: what happened is now what is expected`);
        return tryScenario(source, file, { ...options, update: false }, terminal);
      }
    }
    if (options.json !== true) for (const line of printScenario(parsed, outcome)) terminal.print(line);
    const exitCode = isPassed(parsed, outcome) ? ExitCode.OK : ExitCode.FAILURE;
    return { exitCode, result: toJson(parsed, outcome) };
  } catch (error) {
    // A module's complaint about its configuration: in the scenario, if it stands there.
    const place = source.loaded ?? (options.config === undefined && parsed?.config !== undefined ? parsed : null);
    return { exitCode: complain(error, place, terminal) };
  }
}

function complain(error: unknown, place: Parameters<typeof explainFailure>[1], terminal: Terminal): ExitCode {
  if (error instanceof AdminApiError) {
    terminal.complain(error.message);
    return ExitCode.FAILURE;
  }
  const { exitCode, lines } = explainFailure(error, place);
  for (const line of lines) terminal.complain(line);
  // A file that cannot be read was named on the command line.
  const isFile = error instanceof Error && 'code' in error && 'path' in error;
  return isFile && exitCode === ExitCode.FAILURE ? ExitCode.CONFIG : exitCode;
}
