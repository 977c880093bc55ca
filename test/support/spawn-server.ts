/**
 * Runs the real program in a process of its own: `node bin/thalamus.js`, with real signals and a real `kill -9`.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ClientHelpers, createClientHelpers } from './test-client.ts';
import { type TestConfigOptions, testConfig } from './test-config.ts';

export interface ProgramResult {
  /** Null when a signal ended it. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** What the program is compiled from is up to date: the test run compiles before it begins. */
const repositoryDir = fileURLToPath(new URL('../..', import.meta.url));

/** A running program. */
export interface Program {
  readonly child: ChildProcessWithoutNullStreams;
  readonly ended: Promise<ProgramResult>;
  stdout(): string;
  stderr(): string;
  /** Resolves when the output so far matches; rejects with the output when the program ends before, or after 20 s. */
  waitFor(pattern: RegExp): Promise<RegExpExecArray>;
}

export function startProgram(args: readonly string[], options: RunOptions = {}): Program {
  const child = spawn(process.execPath, [join(repositoryDir, 'bin/thalamus.js'), ...args], {
    cwd: options.cwd ?? repositoryDir,
    env: { ...process.env, NO_COLOR: '1', ...options.env },
    stdio: 'pipe',
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += String(chunk);
  });
  child.stderr.on('data', (chunk) => {
    stderr += String(chunk);
  });
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');
  const ended = once(child, 'close').then(([exitCode, signal]) => ({ exitCode, signal, stdout, stderr }));

  const waitFor = (pattern: RegExp): Promise<RegExpExecArray> =>
    new Promise((resolve, reject) => {
      const look = (): boolean => {
        const match = pattern.exec(stdout) ?? pattern.exec(stderr);
        if (match === null) return false;
        clearTimeout(timer);
        resolve(match);
        return true;
      };
      const fail = (why: string): void => {
        clearTimeout(timer);
        if (!look()) reject(new Error(`${why} ${pattern}\nstdout:\n${stdout}\nstderr:\n${stderr}`));
      };
      const timer = setTimeout(fail, 20_000, 'after 20 s, the output has not matched');
      if (look()) return;
      child.stdout.on('data', look);
      child.stderr.on('data', look);
      child.once('close', () => {
        fail('the program ended before its output matched');
      });
    });
  return { child, ended, stdout: () => stdout, stderr: () => stderr, waitFor };
}

/** Runs the program to its end. */
export function runProgram(args: readonly string[], options: RunOptions = {}): Promise<ProgramResult> {
  return startProgram(args, options).ended;
}

export interface SpawnedServer extends ClientHelpers, AsyncDisposable {
  readonly baseUrl: string;
  readonly serverName: string;
  readonly dir: string;
  readonly configFile: string;
  /** The present process; `restart` makes another. */
  readonly program: Program;
  /** `kill -9`, and waits for the end. */
  kill(): Promise<void>;
  /** Sends a signal and waits for the end. */
  terminate(signal?: NodeJS.Signals): Promise<ProgramResult>;
  /** Starts again on the same folder and port, after `kill` or `terminate`; with other environment variables, if given, from then on. */
  restart(env?: Readonly<Record<string, string>>): Promise<void>;
  /** Writes the configuration file anew, with these top-level keys changed. */
  changeConfig(changes: Readonly<Record<string, unknown>>): void;
  stop(): Promise<void>;
}

export interface SpawnOptions extends TestConfigOptions {
  /** On top of the present environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** More options of `thalamus start`. */
  readonly args?: readonly string[];
}

/** @example `await using server = await spawnServer();` */
export async function spawnServer(options: SpawnOptions = {}): Promise<SpawnedServer> {
  const dir = mkdtempSync(join(tmpdir(), 'thalamus-spawn-'));
  const configFile = join(dir, 'thalamus.yaml');
  let changes: Readonly<Record<string, unknown>> = {};
  let port = 0;
  let env = options.env ?? {};
  let program: Program;

  const write = (): void => {
    writeFileSync(configFile, JSON.stringify({ ...testConfig(dir, port, options), ...changes }, null, 2));
  };
  const start = async (): Promise<void> => {
    write();
    program = startProgram(['start', '-c', configFile, ...(options.args ?? [])], { env });
    const [, listening = '0'] = await program.waitFor(/"port":(\d+)[^\n]*"msg":"listening"/);
    port = Number(listening);
    await program.waitFor(/"msg":"server started"/);
  };
  try {
    await start();
  } catch (error) {
    rmSync(dir, { recursive: true, force: true });
    throw error;
  }
  const baseUrl = `http://127.0.0.1:${port}`;
  const serverName = options.serverName ?? 'test.example';
  const client = createClientHelpers(baseUrl, serverName);
  const end = async (signal: NodeJS.Signals): Promise<ProgramResult> => {
    program.child.kill(signal);
    const [result] = await Promise.all([program.ended, client.disconnect()]);
    return result;
  };
  const stop = async (): Promise<void> => {
    await end('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  };
  return {
    ...client,
    baseUrl,
    serverName,
    dir,
    configFile,
    get program() {
      return program;
    },
    kill: async () => {
      await end('SIGKILL');
    },
    terminate: (signal = 'SIGTERM') => end(signal),
    restart: (changed) => {
      env = changed ?? env;
      return start();
    },
    changeConfig: (changed) => {
      changes = { ...changes, ...changed };
      write();
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
