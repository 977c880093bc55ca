/**
 * Tells when files change, for authors who want to see at once what their change does.
 *
 * Folders are watched rather than files, because editors put a new file in the place of the old one. What the system does not tell of (another
 * machine's folder, a folder that is itself replaced) is found by looking at the files once a second.
 */
import { type FSWatcher, statSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';

/** Saving several files, or one in several steps, is one change. */
const QUIET_MS = 150;
const LOOK_MS = 1000;

export class FileWatch implements Disposable {
  readonly #onChange: () => void;
  /** By file: what it looked like last. */
  #files = new Map<string, string>();
  readonly #folders = new Map<string, FSWatcher>();
  readonly #look: NodeJS.Timeout;
  #quiet: NodeJS.Timeout | undefined;

  /** @param onChange - called 150 ms after the last change */
  constructor(onChange: () => void) {
    this.#onChange = onChange;
    this.#look = setInterval(() => this.#compare(), LOOK_MS);
    this.#look.unref();
  }

  /** From now on these, absolute paths, whether they are there or not. */
  watch(files: Iterable<string>): void {
    const before = this.#files;
    this.#files = new Map();
    for (const file of files) this.#files.set(file, before.get(file) ?? stampOf(file));
    const folders = new Set(Array.from(this.#files.keys(), (file) => dirname(file)));
    for (const folder of this.#folders.keys()) if (!folders.has(folder)) this.#leave(folder);
    for (const folder of folders) this.#enter(folder);
    // Something may have changed while it was being read.
    this.#compare();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#look);
    clearTimeout(this.#quiet);
    for (const folder of this.#folders.keys()) this.#leave(folder);
  }

  #enter(folder: string): void {
    if (this.#folders.has(folder)) return;
    try {
      const watcher = watch(folder, { persistent: false }, (_event, name) => {
        if (name === null || this.#isWatched(folder, name)) this.#compare();
      });
      // It is gone, or may not be watched: looking has to do.
      watcher.on('error', () => this.#leave(folder));
      this.#folders.set(folder, watcher);
    } catch {
      // The same.
    }
  }

  #leave(folder: string): void {
    this.#folders.get(folder)?.close();
    this.#folders.delete(folder);
  }

  #isWatched(folder: string, name: string): boolean {
    for (const file of this.#files.keys()) if (basename(file) === name && dirname(file) === folder) return true;
    return false;
  }

  #compare(): void {
    let hasChanged = false;
    for (const [file, stamp] of this.#files) {
      const now = stampOf(file);
      if (now === stamp) continue;
      this.#files.set(file, now);
      hasChanged = true;
    }
    if (!hasChanged) return;
    clearTimeout(this.#quiet);
    this.#quiet = setTimeout(this.#onChange, QUIET_MS);
  }
}

function stampOf(file: string): string {
  try {
    const { mtimeMs, size, ino } = statSync(file);
    return `${mtimeMs} ${size} ${ino}`;
  } catch {
    return 'not there';
  }
}
