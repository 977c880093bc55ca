/**
 * The command line in this process: much cheaper than a program, for everything that needs neither signals nor a process of its own.
 */
import { runProgram } from '../../src/cli/program.ts';
import type { Terminal } from '../../src/cli/terminal.ts';
import type { ProgramResult } from './spawn-server.ts';

/** @param cwd - what commands that take it from their terminal see; the process's own stays as it is */
export async function runHere(args: readonly string[], cwd = process.cwd()): Promise<ProgramResult> {
  const printed: string[] = [];
  const complained: string[] = [];
  const terminal: Terminal = {
    print: (text) => printed.push(text),
    complain: (text) => complained.push(text),
    stdin: process.stdin,
    stdout: process.stdout,
    cwd,
  };
  const exitCode = await runProgram(args, terminal);
  const text = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('');
  return { exitCode, signal: null, stdout: text(printed), stderr: text(complained) };
}
