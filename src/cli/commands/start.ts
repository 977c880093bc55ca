/**
 * `thalamus start`: runs the server in this process until it is told to stop.
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { loadConfig } from '../../config/load-config.ts';
import type { LoadedConfig } from '../../config/parse-config.ts';
import { createServer } from '../../server/create-server.ts';
import type { Server } from '../../server/server.ts';
import type { ExitCode } from '../exit-codes.ts';
import { explainFailure } from '../explain-failure.ts';
import { DEFAULT_CONFIG_FILE, nextSteps, writeFirstConfig } from '../first-run.ts';
import { endAtTheLatest, watchProcess } from '../process-events.ts';
import { logWarnings, reload } from '../reload.ts';
import type { Terminal } from '../terminal.ts';
import { FileWatch } from '../watch-files.ts';

export interface StartOptions {
  readonly config?: string;
  readonly watch?: boolean;
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
    reload: () => void reload(server, fileName),
  });
  try {
    await server.start();
  } catch (error) {
    return fail(error);
  }
  if (isFirstRun) terminal.print(nextSteps(baseUrlOf(server), file));
  const watch = options.watch === true ? watchFiles(server, fileName, file, terminal) : null;
  const exitCode = await events.ended;
  watch?.[Symbol.dispose]();
  await server.stop();
  endAtTheLatest(exitCode, LEFTOVER_GRACE_MS);
  return exitCode;
}

/** For authors: each change of the configuration or of a module's files is taken over, and said in one line. */
function watchFiles(server: Server, fileName: string, file: string, terminal: Terminal): Disposable {
  const watched = (): readonly string[] => [file, ...server.moduleFiles];
  const watch = new FileWatch(() => void takeOver());
  async function takeOver(): Promise<void> {
    const outcome = await reload(server, fileName);
    watch.watch(watched());
    if (outcome.isDone) {
      const { modules, tookMs } = outcome.report;
      const names = modules.map(({ module }) => module).join(', ');
      terminal.complain(`thalamus: reloaded ${names === '' ? 'the configuration' : names} (${tookMs} ms)`);
    } else for (const line of outcome.lines) terminal.complain(`thalamus: not reloaded: ${line}`);
  }
  watch.watch(watched());
  const count = server.moduleFiles.length;
  terminal.complain(`thalamus: watching ${file} and ${count} ${count === 1 ? 'file' : 'files'} of modules`);
  return watch;
}

function baseUrlOf(server: Server): string {
  const found = server.addresses.find(({ resources }) => resources.includes('client')) ?? server.addresses[0];
  return found === undefined ? '' : `${found.protocol}://${found.address}:${found.port}`;
}
