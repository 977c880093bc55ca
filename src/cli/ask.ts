/**
 * Asks for a value on a terminal, hiding what is typed where it is a password; elsewhere reads it from the standard input.
 */
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import type { Terminal } from './terminal.ts';

/** Returns null when the standard input ends before there is a line. */
export async function ask(
  question: string,
  terminal: Terminal,
  options: { readonly hidden?: boolean } = {},
): Promise<string | null> {
  const { stdin, stdout } = terminal;
  const isHidden = options.hidden === true;
  let isMuted = false;
  const output = new Writable({
    write: (chunk, _encoding, done) => {
      if (!isMuted) stdout.write(chunk as Uint8Array);
      done();
    },
  });
  const reader = createInterface({ input: stdin, output, terminal: stdin.isTTY });
  if (isHidden) stdout.write(question);
  isMuted = isHidden;
  try {
    const answer = await Promise.race([
      reader.question(isHidden ? '' : question),
      new Promise<null>((resolve) => {
        reader.once('close', () => {
          resolve(null);
        });
      }),
    ]);
    if (isHidden) stdout.write('\n');
    return answer;
  } finally {
    reader.close();
  }
}

/** All of the standard input, without the line break at its end. */
export async function readAll(terminal: Terminal): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of terminal.stdin) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks)
    .toString('utf8')
    .replace(/\r?\n$/, '');
}
