/**
 * Runs the command line in this process: what `bin/thalamus.js` imports.
 */
import { runProgram } from './program.ts';
import { processTerminal } from './terminal.ts';

// Somebody who reads only the beginning (`thalamus --help | head -1`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

process.exitCode = await runProgram(process.argv.slice(2), processTerminal());
