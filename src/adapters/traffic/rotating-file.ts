/**
 * A file that lines are appended to without anybody waiting, and the older ones beside it: `<path>.1` is the newest of those.
 *
 * What is not on disk yet is bounded: whoever appends is told when it was too much. Only this user can read the files.
 */
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface RotatingFileOptions {
  readonly path: string;
  /** How many older files stay. */
  readonly keep: number;
  /** Bytes that may wait. */
  readonly maxWaiting: number;
  /** Everything is on disk. */
  readonly onDrained: () => void;
  /** What waited is lost. */
  readonly onError: (error: unknown) => void;
}

type Piece = string | typeof ROTATE;

const ROTATE = Symbol('rotate');
const MODE = 0o600;

export class RotatingFile {
  readonly #options: RotatingFileOptions;
  #waiting: Piece[] = [];
  #waitingBytes = 0;
  #handle: FileHandle | null = null;
  #writing: Promise<void> | null = null;

  constructor(options: RotatingFileOptions) {
    this.#options = options;
  }

  /** Oldest first. Not all of them need exist. */
  get paths(): string[] {
    const { path, keep } = this.#options;
    return [...Array.from({ length: keep }, (_, index) => `${path}.${keep - index}`), path];
  }

  /** Whether nothing waits. */
  get isIdle(): boolean {
    return this.#writing === null;
  }

  /** Makes the folder. Resolves with the size of what is there. */
  async open(): Promise<number> {
    await mkdir(dirname(this.#options.path), { recursive: true });
    await this.#openFile();
    return (await this.#handle?.stat())?.size ?? 0;
  }

  /** Returns false, and takes nothing, when too much waits; `isUrgent` is taken in any case. */
  append(text: string, bytes: number, isUrgent: boolean): boolean {
    if (!isUrgent && this.#waitingBytes + bytes > this.#options.maxWaiting) return false;
    this.#waiting.push(text);
    this.#waitingBytes += bytes;
    this.#write();
    return true;
  }

  /** What is appended from now on goes into a new file. */
  rotate(): void {
    this.#waiting.push(ROTATE);
    this.#write();
  }

  /** Resolves when everything appended so far is in the hands of the operating system, or lost. */
  async flush(): Promise<void> {
    while (this.#writing !== null) await this.#writing;
  }

  async close(): Promise<void> {
    await this.flush();
    await this.#closeFile();
  }

  #write(): void {
    // Whatever else is appended in this round of the event loop is written with it.
    this.#writing ??= new Promise<void>((resolve) => setImmediate(resolve)).then(() => this.#writeAll());
  }

  async #writeAll(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        const pieces = this.#waiting;
        const bytes = this.#waitingBytes;
        this.#waiting = [];
        await this.#writePieces(pieces);
        this.#waitingBytes -= bytes;
      }
      this.#writing = null;
    } catch (error) {
      this.#waiting = [];
      this.#waitingBytes = 0;
      this.#writing = null;
      await this.#closeFile();
      this.#options.onError(error);
      return;
    }
    this.#options.onDrained();
  }

  async #writePieces(pieces: readonly Piece[]): Promise<void> {
    let text = '';
    for (const piece of pieces) {
      if (typeof piece === 'string') {
        text += piece;
        continue;
      }
      await this.#append(text);
      text = '';
      await this.#rotate();
    }
    await this.#append(text);
  }

  async #append(text: string): Promise<void> {
    if (text === '') return;
    if (this.#handle === null) await this.#openFile();
    await this.#handle?.appendFile(text);
  }

  async #openFile(): Promise<void> {
    this.#handle = await open(this.#options.path, 'a', MODE);
    // It may have been there with other rights.
    await this.#handle.chmod(MODE);
  }

  async #rotate(): Promise<void> {
    await this.#closeFile();
    const [oldest, ...others] = this.paths;
    if (oldest !== undefined) await rm(oldest, { force: true });
    let to = oldest;
    for (const from of others) {
      await rename(from, to as string).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
      });
      to = from;
    }
    await this.#openFile();
  }

  async #closeFile(): Promise<void> {
    const handle = this.#handle;
    this.#handle = null;
    await handle?.close().catch(() => undefined);
  }
}
