/**
 * The line that an error comes from, for messages to authors: the first one in a file that is neither a package's nor this project's.
 */
import { sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const FRAME = /(?:\(|\bat )((?:file:\/\/)?\/[^():]+):(\d+):\d+\)?$/;

/** `/etc/thalamus/my-router.ts:12`, or null if the stack does not say. */
export function whereThrown({ stack = '' }: Error, ownFolder = OWN_FOLDER): string | null {
  for (const line of stack.split('\n')) {
    const [, path, number] = FRAME.exec(line) ?? [];
    if (path === undefined || number === undefined) continue;
    const file = path.startsWith('file:') ? fileURLToPath(path) : path;
    if (!file.includes(`${sep}node_modules${sep}`) && !file.startsWith(ownFolder)) return `${file}:${number}`;
  }
  return null;
}

const OWN_FOLDER = fileURLToPath(new URL('../', import.meta.url));
