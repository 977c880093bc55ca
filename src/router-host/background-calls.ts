/**
 * Runs what modules want done beside their callbacks: once, later, or again and again, by the server's clock.
 *
 * A failure is logged and counted and hurts nobody. At shutdown nothing new starts, and what runs is waited for.
 */
import { toPlainError } from './describe-value.ts';
import type { HostContext } from './host-context.ts';
import { BLOCKED_MS } from './watchdog.ts';

export class BackgroundCalls {
  readonly #host: HostContext;
  readonly #module: string;
  readonly #section: number;
  readonly #timers = new Set<Disposable>();
  readonly #running = new Set<Promise<unknown>>();
  #stopped = false;
  #used = false;

  constructor(module: string, host: HostContext) {
    this.#host = host;
    this.#module = module;
    this.#section = host.watchdog.section(module, 'background', host.spec);
  }

  /** Whether anything has ever been asked of it. */
  get used(): boolean {
    return this.#used;
  }

  /** Calls `f` every `periodMs`, the first time after `periodMs`; a period begins when the call before it is done. */
  loop(f: () => unknown, periodMs: number, desc: string): Disposable {
    let next: Disposable | undefined;
    let ended = false;
    const again = (): void => {
      next = this.delay(periodMs, f, desc, () => {
        if (!ended) again();
      });
    };
    again();
    return {
      [Symbol.dispose]: () => {
        ended = true;
        next?.[Symbol.dispose]();
      },
    };
  }

  /** Calls `f` once after `delayMs`, and `done` when that has ended in whatever way. */
  delay(delayMs: number, f: () => unknown, desc: string, done?: () => void): Disposable {
    this.#used = true;
    if (this.#stopped) return { [Symbol.dispose]: () => undefined };
    const timer = this.#host.clock.setTimeout(() => {
      this.#timers.delete(timer);
      this.#track(this.#runThen(desc, f, done));
    }, delayMs);
    this.#timers.add(timer);
    return {
      [Symbol.dispose]: () => {
        this.#timers.delete(timer);
        timer.cancel();
      },
    };
  }

  /** Calls `f` now. Resolves with what it returns, or undefined if it fails. Never rejects. */
  run<T>(desc: string, f: () => T | PromiseLike<T>): Promise<T | undefined> {
    this.#used = true;
    const running = this.#attempt(desc, f);
    this.#track(running);
    return running;
  }

  /** Resolves by the clock; never after shutdown. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.#stopped) return;
      const timer = this.#host.clock.setTimeout(() => {
        this.#timers.delete(timer);
        resolve();
      }, ms);
      this.#timers.add(timer);
    });
  }

  /** Cancels every timer and resolves when what runs has settled. The caller bounds the wait. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#timers) timer[Symbol.dispose]();
    this.#timers.clear();
    await Promise.all(this.#running);
  }

  async #runThen(desc: string, f: () => unknown, done: (() => void) | undefined): Promise<void> {
    await this.run(desc, f);
    done?.();
  }

  async #attempt<T>(desc: string, f: () => T | PromiseLike<T>): Promise<T | undefined> {
    const { logger, metrics, watchdog } = this.#host;
    const fields = { module: this.#module, desc };
    const start = performance.now();
    let blockedMs = 0;
    try {
      const previous = watchdog.enter(this.#section);
      let value: T | PromiseLike<T>;
      try {
        value = f();
      } finally {
        watchdog.leave(previous);
        blockedMs = performance.now() - start;
      }
      const result = await value;
      if (blockedMs >= BLOCKED_MS) {
        logger.warn({ ...fields, blockedMs }, 'a background call of a module held up the whole process');
      }
      metrics.background.inc({ module: this.#module, outcome: blockedMs >= BLOCKED_MS ? 'blocked' : 'ok' });
      return result;
    } catch (thrown) {
      metrics.background.inc({ module: this.#module, outcome: 'failed' });
      logger.error({ ...fields, err: toPlainError(thrown) }, 'a background call of a module failed');
      return undefined;
    }
  }

  #track(running: Promise<unknown>): void {
    this.#running.add(running);
    const forget = (): void => void this.#running.delete(running);
    running.then(forget, forget);
  }
}
