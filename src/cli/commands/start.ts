/**
 * `thalamus start`: runs the server in this process until it is told to stop.
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { loadConfig } from '../../config/load-config.ts';
import type { LoadedConfig } from '../../config/parse-config.ts';
import { formatPath, formatProblem } from '../../config/problems.ts';
import { createServer } from '../../server/create-server.ts';
import type { Server } from '../../server/server.ts';
import type { ExitCode } from '../exit-codes.ts';
import { explainFailure } from '../explain-failure.ts';
import { DEFAULT_CONFIG_FILE, nextSteps, writeFirstConfig } from '../first-run.ts';
import { endAtTheLatest, watchProcess } from '../process-events.ts';
import type { Terminal } from '../terminal.ts';

export interface StartOptions {
  readonly config?: string;
}

/** After a stop, how long something may keep the process alive that should not. */
const LEFTOVER_GRACE_MS = 2000;

export async function start(options: StartOptions, terminal: Terminal): Promise<ExitCode> {
  const fileName = options.config ?? DEFAULT_CONFIG_FILE;
  const isFirstRun = options.config === undefined && !existsSync(join(terminal.cwd, DEFAULT_CONFIG_FILE));
  const file = resolve(terminal.cwd, fileName);
  let loaded: LoadedConfig | null = null;
  const fail = (error: unknown): ExitCode => {
    const { exitCode, lines } = explainFailure(error, loaded);
    for (const line of lines) terminal.complain(`thalamus: ${line}`);
    // Else the next start finds a file that its reader has never heard of.
    if (loaded !== null && isFirstRun) terminal.complain(`thalamus: ${file} was written just now; correct it there`);
    endAtTheLatest(exitCode, LEFTOVER_GRACE_MS);
    return exitCode;
  };

  let server: Server;
  try {
    if (isFirstRun) writeFirstConfig(file);
    loaded = loadConfig(fileName);
    server = createServer(loaded.config);
  } catch (error) {
    return fail(error);
  }
  logWarnings(loaded, server);
  // Before the start, so that a signal in the middle of it ends in good order, too.
  using events = watchProcess({
    logger: server.logger,
    reload: () => {
      reload(server, fileName);
    },
  });
  try {
    await server.start();
  } catch (error) {
    return fail(error);
  }
  if (isFirstRun) terminal.print(nextSteps(baseUrlOf(server), file));
  const exitCode = await events.ended;
  await server.stop();
  endAtTheLatest(exitCode, LEFTOVER_GRACE_MS);
  return exitCode;
}

function logWarnings({ fileName, warnings }: LoadedConfig, { logger }: Server): void {
  for (const warning of warnings) {
    logger.warn(
      {
        where: formatProblem(fileName, { ...warning, path: [], message: '' }).replace(/: $/, ''),
        key: formatPath(warning.path),
        warning: warning.message,
      },
      'configuration',
    );
  }
}

/** Takes over what can be taken over. When anything is wrong with the file, everything stays as it is. */
function reload(server: Server, fileName: string): void {
  const { logger } = server;
  let loaded: LoadedConfig | null = null;
  try {
    loaded = loadConfig(fileName);
    logWarnings(loaded, server);
    const { reloaded, needRestart } = server.reload(loaded.config);
    logger.info(
      { reloaded },
      reloaded.length === 0 ? 'configuration read again: nothing new to take over' : 'configuration read again',
    );
    if (needRestart.length > 0) logger.warn({ needRestart }, 'changes that take effect at the next start');
  } catch (error) {
    const { lines } = explainFailure(error, loaded);
    logger.error({ problems: lines }, 'the configuration was not read again: the one before stays');
  }
}

function baseUrlOf(server: Server): string {
  const found = server.addresses.find(({ resources }) => resources.includes('client')) ?? server.addresses[0];
  return found === undefined ? '' : `${found.protocol}://${found.address}:${found.port}`;
}
