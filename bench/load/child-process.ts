/**
 * Starts the process that is measured, and reads its CPU time and resident memory from outside.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

export interface MeasuredProcess {
  readonly port: number;
  readonly pid: number;
  /** CPU time used so far by all threads, in milliseconds, user and system. */
  cpuMs(): number;
  /** Resident memory in bytes. */
  rssBytes(): number;
  stop(): Promise<void>;
}

const CLOCK_TICKS = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
const PAGE_BYTES = Number(execFileSync('getconf', ['PAGESIZE'], { encoding: 'utf8' }));
const START_DEADLINE_MS = 60_000;

/** Starts `node args…` and waits until `findPort` recognises a line of its output. */
export async function startMeasured(
  args: readonly string[],
  findPort: (line: string) => number | null,
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<MeasuredProcess> {
  const child = spawn(process.execPath, args, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  // Nothing that is measured outlives the driver.
  const killChild = (): void => void child.kill('SIGKILL');
  process.once('exit', killChild);
  child.once('exit', () => process.off('exit', killChild));
  const port = await waitForPort(child, findPort);
  const pid = child.pid ?? 0;
  return {
    port,
    pid,
    cpuMs: () => {
      const fields = statFields(pid);
      return ((Number(fields[11]) + Number(fields[12])) * 1000) / CLOCK_TICKS;
    },
    rssBytes: () => Number(statFields(pid)[21]) * PAGE_BYTES,
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await ended;
      clearTimeout(timer);
    },
  };
}

async function waitForPort(child: ChildProcess, findPort: (line: string) => number | null): Promise<number> {
  if (child.stdout === null) throw new Error('no output to read');
  const seen: string[] = [];
  const lines = createInterface({ input: child.stdout });
  return await new Promise<number>((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`no port within the deadline:\n${seen.join('\n')}`)),
      START_DEADLINE_MS,
    );
    child.once('exit', (code) => {
      clearTimeout(timer);
      reject(new Error(`ended with ${code}:\n${seen.join('\n')}`));
    });
    lines.on('line', (line) => {
      if (seen.length < 50) seen.push(line);
      const port = findPort(line);
      if (port === null) return;
      clearTimeout(timer);
      resolve(port);
    });
  });
}

/** The fields of /proc/<pid>/stat after the command's name, which may hold spaces. */
function statFields(pid: number): string[] {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}
