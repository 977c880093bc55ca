/**
 * The router host: the set of modules that is asked, the next one beside it while it is made, and those before until they have ended.
 *
 * Order at start: make the host; give `router` to the presence service; start that; `construct` the modules; open listeners.
 * Order at stop: close listeners; `stop` the host; stop the presence service.
 */
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { Metrics } from '../ports/metrics.ts';
import type { HostContext } from './host-context.ts';
import type { LoadedModule } from './load-modules.ts';
import { createModuleMetrics } from './module-metrics.ts';
import type { ModuleServices } from './module-services.ts';
import { ModuleSet } from './module-set.ts';
import { PresenceRouter } from './presence-router.ts';
import { createWatchdog, NO_WATCHDOG, type WatchdogOptions } from './watchdog.ts';
import type { GuardedHandler } from './web-resources.ts';
import { within } from './within.ts';

export interface ModuleHostOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Null for none: tests that move the clock. The thread runs only if there are modules. @default its own defaults */
  readonly watchdog?: WatchdogOptions | null;
  /** How long one module may take to be constructed, and to be taken down, in ms of real time. @default 30 s and 5 s */
  readonly constructTimeoutMs?: number;
  readonly stopTimeoutMs?: number;
}

/** How long a stop waits for running callbacks, in ms. */
const CALLBACK_STOP_MS = 2000;

export class ModuleHost {
  readonly router: PresenceRouter;
  readonly webResources: { find(path: string): GuardedHandler | null };
  readonly #context: HostContext;
  readonly #constructTimeoutMs: number;
  readonly #stopTimeoutMs: number;
  #current: ModuleSet;
  #replacing: Promise<unknown> | null = null;
  /** The ends of the sets before, as long as they last. */
  readonly #ending = new Set<Promise<void>>();
  #isStopped = false;

  constructor(options: ModuleHostOptions) {
    const { clock, logger, metrics, watchdog } = options;
    this.#context = {
      clock,
      logger,
      metrics: createModuleMetrics(metrics),
      watchdog: watchdog === null ? NO_WATCHDOG : createWatchdog(watchdog),
    };
    this.#constructTimeoutMs = options.constructTimeoutMs ?? 30_000;
    this.#stopTimeoutMs = options.stopTimeoutMs ?? 5000;
    this.router = new PresenceRouter(this.#context);
    this.#current = this.#makeSet();
    this.webResources = { find: (path) => this.#current.webResources.find(path) };
  }

  /** Those that are asked, in order. */
  get modules(): readonly LoadedModule[] {
    return this.#current.modules;
  }

  /**
   * Constructs the modules in order, one after the other; then they are asked. Called once, before `replace`.
   *
   * @returns the instances, in order: of a class what it constructs, of the other forms what they return
   * @throws ModuleLoadError for the first that fails; what was constructed before it has been taken down again
   */
  async construct(modules: readonly LoadedModule[], services: ModuleServices): Promise<readonly unknown[]> {
    try {
      this.#current = await this.#build(modules, services);
    } catch (error) {
      await this.stop();
      throw error;
    }
    this.router.exchange(this.#current.callbacks);
    return this.#current.instances;
  }

  /**
   * Constructs modules beside those that are asked, and then, in one step, asks them instead: about what the ones before have not answered
   * yet, too. Resolves with that. Those before are taken down in the background: their calls are told that nobody waits for them, and
   * have their time to end.
   *
   * @param onReplaced - called within that step: whoever gets presence by it sees either the old modules or the new
   * @throws ModuleLoadError for the first that fails: the new ones have been taken down again, and the ones before stay
   */
  async replace(modules: readonly LoadedModule[], services: ModuleServices, onReplaced: () => void): Promise<void> {
    if (this.#replacing !== null) throw new Error('the modules are being replaced already');
    const replacing = this.#replace(modules, services, onReplaced);
    this.#replacing = replacing;
    try {
      await replacing;
    } finally {
      this.#replacing = null;
    }
  }

  /** Resolves when all modules that were replaced have been taken down. */
  async replacedEnded(): Promise<void> {
    await Promise.all(this.#ending);
  }

  /** Stops asking, cancels timers, waits briefly for what runs, and disposes of the modules, last first. Never rejects. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    // Whatever a callback still answers would change nothing: it gets a moment to clean up.
    await this.#current.stop('the server is stopping', Math.min(this.#stopTimeoutMs, CALLBACK_STOP_MS));
    await Promise.all(this.#ending);
    // One that is being constructed ends by itself; it is not let in any more.
    await within(this.#replacing, this.#stopTimeoutMs, 'a reload').catch(() => undefined);
    await this.#context.watchdog.stop();
  }

  async #replace(modules: readonly LoadedModule[], services: ModuleServices, onReplaced: () => void): Promise<void> {
    const next = await this.#build(modules, services);
    if (this.#isStopped) {
      await next.stop('the server is stopping');
      throw new Error('the server is stopping');
    }
    const before = this.#current;
    this.#current = next;
    this.router.exchange(next.callbacks);
    onReplaced();
    const ending = before.stop('the modules have been replaced').finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }

  async #build(modules: readonly LoadedModule[], services: ModuleServices): Promise<ModuleSet> {
    if (modules.length > 0) this.#context.watchdog.start();
    const set = this.#makeSet();
    await set.construct(modules, services);
    return set;
  }

  #makeSet(): ModuleSet {
    return new ModuleSet({
      context: this.#context,
      router: this.router,
      constructTimeoutMs: this.#constructTimeoutMs,
      stopTimeoutMs: this.#stopTimeoutMs,
    });
  }
}
