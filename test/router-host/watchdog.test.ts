import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';

const runner = fileURLToPath(new URL('../../scripts/run-ts.mjs', import.meta.url));
const program = fileURLToPath(new URL('./blocking-server.ts', import.meta.url));
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** Runs a process whose module blocks as `how` says; its standard error, line by line, and its result. */
function run(
  how: string,
): Promise<{ stderr: string; lines: Record<string, unknown>[]; result: Record<string, unknown> }> {
  const child = spawn(process.execPath, [runner, program, how], { stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => (output.stdout += String(chunk)));
  child.stderr.on('data', (chunk) => (output.stderr += String(chunk)));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      if (code !== 0) {
        reject(new Error(`exit code ${code}: ${output.stderr}`));
        return;
      }
      const lines = output.stderr.split('\n').filter((line) => line.startsWith('{'));
      resolve({
        stderr: output.stderr,
        lines: lines.map((line) => JSON.parse(line)),
        result: JSON.parse(output.stdout),
      });
    });
  });
}

describe('the watchdog', () => {
  it('tells which callback holds up the process while it still does, and it is counted as a failure', async () => {
    const { lines, result } = await run('sync');
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({
      level: 'warn',
      pid: 4711,
      module: 'slow',
      spec: './slow.ts',
      callback: 'getUsersForStates',
      msg: 'a module is holding up the whole process',
    });
    expect(lines[0]?.['blockedMs']).toBeGreaterThanOrEqual(1000);
    // Written from another thread, before the loop ended.
    expect(Date.parse(String(lines[0]?.['time']))).toBeLessThan(Number(result['unblockedTs']));
    expect(result).toMatchObject({ blocked: 1, ok: 0 });
  });

  it('tells, too, when the loop comes after an await, and counts it', async () => {
    const { lines, result } = await run('after-await');
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({
      module: 'slow',
      callback: 'getUsersForStates',
      msg: 'the process is held up while the answer of a module is awaited',
    });
    expect(Date.parse(String(lines[0]?.['time']))).toBeLessThan(Number(result['unblockedTs']));
    expect(result).toMatchObject({ blocked: 1, ok: 0 });
  });

  it('writes a line for people where the log is for people', async () => {
    const { stderr } = await run('pretty');
    expect(stderr).toMatch(
      /^\[\d\d:\d\d:\d\d\.\d{3}\] WARN: a module is holding up the whole process \{.*"module":"slow","spec":".\/slow.ts",.*\}$/m,
    );
  });

  it('notices web resources and background calls as well', async () => {
    const { lines } = await run('background');
    expect(lines).toMatchObject([{ module: 'slow', callback: 'background' }]);
  });

  it('says nothing of many short calls, or of a long wait that holds up nobody', async () => {
    const { lines, result } = await run('fine');
    expect(lines).toEqual([]);
    expect(result).toMatchObject({ blocked: 0 });
  });
});
