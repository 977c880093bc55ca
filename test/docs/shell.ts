/**
 * A shell that a test types into, as a person does: commands one after the other, in one session, and what they print.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';

const TIMEOUT_MS = 60_000;

export class Shell {
  readonly #child: ChildProcessWithoutNullStreams;
  #output = '';
  #read = 0;
  #commands = 0;
  readonly #listeners = new Set<() => void>();

  /** @param home - what `~` is */
  constructor(cwd: string, home: string) {
    // A group of its own, so that what runs in it ends with it.
    this.#child = spawn('bash', ['--noprofile', '--norc'], {
      cwd,
      detached: true,
      env: { ...process.env, HOME: home, NO_COLOR: '1', THALAMUS_ADMIN_TOKEN: '' },
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.on('data', (chunk) => {
        this.#output += String(chunk);
        for (const listener of this.#listeners) listener();
      });
    }
    this.#child.stdin.on('error', () => undefined);
    // As in a shell that people type into.
    this.type('shopt -s expand_aliases\nexec 2>&1\n');
  }

  type(text: string): void {
    this.#child.stdin.write(text);
  }

  /** Types commands, and resolves with what they printed when they have ended. */
  async run(commands: string, place: string): Promise<string> {
    this.#read = this.#output.length;
    const mark = `--- end ${++this.#commands} ---`;
    this.type(`${commands}\necho; echo '${mark}'\n`);
    await this.#until(() => this.#output.includes(`${mark}\n`, this.#read), place);
    const printed = this.#output.slice(this.#read, this.#output.indexOf(mark, this.#read));
    return printed.replace(/\n$/, '');
  }

  /** Resolves when lines that have not been waited for match. */
  async waitFor(pattern: RegExp, place: string): Promise<void> {
    const source = new RegExp(pattern.source.replace(/^\^/, '').replace(/\$$/, ''), pattern.flags);
    await this.#until(() => source.test(this.#output.slice(this.#read)), place);
    this.#read = this.#output.length;
  }

  async end(): Promise<void> {
    const { exitCode, pid } = this.#child;
    if (exitCode !== null || pid === undefined) return;
    const closed = once(this.#child, 'close');
    process.kill(-pid, 'SIGTERM');
    // An idle shell does not listen to SIGTERM.
    this.#child.stdin.end();
    await closed;
  }

  async #until(isSo: () => boolean, place: string): Promise<void> {
    if (isSo()) return;
    await new Promise<void>((resolve, reject) => {
      const done = (): void => {
        clearTimeout(late);
        this.#listeners.delete(look);
      };
      const look = (): void => {
        if (!isSo()) return;
        done();
        resolve();
      };
      const late = setTimeout(() => {
        done();
        reject(new Error(`${place}: not within ${TIMEOUT_MS} ms; printed so far:\n${this.#output}`));
      }, TIMEOUT_MS);
      this.#listeners.add(look);
    });
  }
}
