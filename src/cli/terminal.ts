/**
 * What a command reads and writes: the process's own streams, or a test's.
 */

export interface Terminal {
  /** Results: what somebody asked for. Ends the line. */
  print(text: string): void;
  /** Everything that went wrong. Ends the line. */
  complain(text: string): void;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly cwd: string;
}

export function processTerminal(): Terminal {
  return {
    print: (text) => {
      process.stdout.write(`${text}\n`);
    },
    complain: (text) => {
      process.stderr.write(`${text}\n`);
    },
    stdin: process.stdin,
    stdout: process.stdout,
    cwd: process.cwd(),
  };
}
