/**
 * `--watch`: runs the same command again, in a process of its own, whenever a file beside the module or a scenario changes.
 *
 * A process of its own, so that what a module has left behind, such as a timer or an endless loop, is not there the next time.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type FSWatcher, watch } from 'node:fs';
import { dirname } from 'node:path';
import { ExitCode } from '../exit-codes.ts';
import type { Terminal } from '../terminal.ts';

/** An editor writes a file in several steps. */
const QUIET_MS = 150;

/** Resolves when it is interrupted. */
export async function watchAndRepeat(files: readonly string[], terminal: Terminal): Promise<ExitCode> {
  const args = process.argv.slice(1).filter((arg) => arg !== '--watch');
  const folders = [...new Set(files.map((file) => dirname(file)))];
  let timer: NodeJS.Timeout | null = null;
  let running: Promise<void> | null = null;
  let isStale = false;

  const run = async (): Promise<void> => {
    do {
      isStale = false;
      const child = spawn(process.execPath, [...process.execArgv, ...args], { cwd: terminal.cwd, stdio: 'inherit' });
      await once(child, 'close');
    } while (isStale);
    terminal.print(`watching ${folders.join(', ')} (Ctrl-C ends)`);
    running = null;
  };
  const start = (): void => {
    timer = null;
    isStale = true;
    running ??= run();
    running.catch((error: unknown) => terminal.complain(String(error)));
  };
  const watchers: FSWatcher[] = folders.map((folder) =>
    watch(folder, () => {
      if (timer !== null) clearTimeout(timer);
      timer = setTimeout(start, QUIET_MS);
    }),
  );
  start();
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  for (const watcher of watchers) watcher.close();
  if (timer !== null) clearTimeout(timer);
  return ExitCode.OK;
}
