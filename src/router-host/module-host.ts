/**
 * The router host: constructs the modules, holds their callbacks, background calls and web resources, and takes them down.
 *
 * Order at start: make the host; give `router` to the presence service; start that; `construct` the modules; open listeners.
 * Order at stop: close listeners; `stop` the host; stop the presence service.
 */
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { Metrics } from '../ports/metrics.ts';
import { BackgroundCalls } from './background-calls.ts';
import { constructModule, registerFrom } from './construct-module.ts';
import { createModuleApi } from './create-module-api.ts';
import { toPlainError } from './describe-value.ts';
import { ModuleLoadError } from './errors.ts';
import { createModuleContext, type HostContext } from './host-context.ts';
import type { LoadedModule } from './load-modules.ts';
import { createModuleMetrics } from './module-metrics.ts';
import { describeEntry, isLegacyEntry } from './module-entry.ts';
import { CALLBACK_NAMES, nearMisses } from './near-misses.ts';
import type { ModuleServices } from './module-services.ts';
import { PresenceRouter } from './presence-router.ts';
import { createWatchdog, NO_WATCHDOG, type WatchdogOptions } from './watchdog.ts';
import { WebResources } from './web-resources.ts';
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

interface Running {
  readonly name: string;
  readonly context: HostContext;
  readonly background: BackgroundCalls;
  instance: unknown;
}

export class ModuleHost {
  readonly router: PresenceRouter;
  readonly webResources: WebResources;
  readonly #context: HostContext;
  readonly #constructTimeoutMs: number;
  readonly #stopTimeoutMs: number;
  readonly #running: Running[] = [];

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
    this.webResources = new WebResources(this.#context);
  }

  /**
   * Constructs the modules in order, one after the other; then the order of callbacks is final and they are asked. Called once.
   *
   * @returns the instances, in order: of a class what it constructs, of the other forms what they return
   * @throws ModuleLoadError for the first that fails; what was constructed before it has been taken down again
   */
  async construct(modules: readonly LoadedModule[], services: ModuleServices): Promise<readonly unknown[]> {
    if (modules.length > 0) this.#context.watchdog.start();
    try {
      for (const module of modules) await this.#construct(module, services);
    } catch (error) {
      await this.stop();
      throw error;
    }
    this.router.seal();
    return this.#running.map(({ instance }) => instance);
  }

  /** Stops asking, cancels timers, waits briefly for what runs, and disposes of the modules, last first. Never rejects. */
  async stop(): Promise<void> {
    // Whatever a callback still answers would change nothing: it gets a moment to clean up.
    await this.router.stop(Math.min(this.#stopTimeoutMs, CALLBACK_STOP_MS));
    for (const { name, context, background, instance } of this.#running.splice(0).reverse()) {
      await this.#bounded(name, context, 'background calls', () => background.stop());
      await this.#bounded(name, context, 'dispose', () => dispose(instance));
    }
    await this.#context.watchdog.stop();
  }

  async #construct(module: LoadedModule, services: ModuleServices): Promise<void> {
    const { name, callbacks: limits, file } = module;
    const { router, webResources } = this;
    const context = createModuleContext(this.#context, module.module, services.serverName);
    const running: Running = { name, context, background: new BackgroundCalls(name, context), instance: undefined };
    this.#running.push(running);
    const where = describeEntry(module);
    const fail = (reason: 'construction_failed' | 'half_a_pair', message: string, cause?: Error): never => {
      throw new ModuleLoadError(module.module, reason, `${where}: ${file}: ${message}`, cause && { cause });
    };

    let isConstructing = true;
    let registered = false;
    let servesWeb = false;
    const empty: unknown[] = [];
    let halfPair: string | undefined;
    const api = createModuleApi({
      name,
      host: context,
      services,
      router,
      webResources: {
        register: (owner, path, handler) => {
          servesWeb = true;
          webResources.register(owner, path, handler, context);
        },
      },
      background: running.background,
      register: (callbacks) => {
        registered = true;
        router.register(name, callbacks, limits, context);
      },
      onNoCallbacks: (callbacks) => empty.push(callbacks),
      onHalfPair: (message) => (halfPair = message),
      assertConstructing: (member) => {
        if (!isConstructing) throw new Error(`${member} is possible only while the module is being constructed`);
      },
    });
    const section = this.#context.watchdog.section(name, 'construction', module.module);
    const previous = this.#context.watchdog.enter(section);
    try {
      const constructing = constructModule(module.definition, module.config, api);
      this.#context.watchdog.leave(previous);
      running.instance = await within(constructing, this.#constructTimeoutMs, 'construction');
      // Modules under the older key do not register; they only have the two methods.
      if (!registered && isLegacyEntry(module)) registerFrom(running.instance, api);
    } catch (thrown) {
      if (halfPair === undefined) {
        const cause = toPlainError(thrown);
        fail('construction_failed', `could not be constructed: ${cause.message}`, cause);
      }
    } finally {
      isConstructing = false;
    }
    if (halfPair !== undefined) fail('half_a_pair', halfPair);
    context.logger.info({ module: name }, 'module constructed');
    if (registered) return;
    const found = [...new Set([...empty, module.definition, running.instance].flatMap((from) => nearMisses(from)))];
    // Without callbacks it may still have something to do.
    if (found.length === 0 && (servesWeb || running.background.used)) return;
    context.logger.warn(
      {
        module: name,
        known: CALLBACK_NAMES.join(', '),
        found: found.join(', ') || 'nothing like it',
      },
      'a module registered no callbacks',
    );
  }

  async #bounded(module: string, { logger }: HostContext, what: string, f: () => unknown): Promise<void> {
    try {
      await within(f(), this.#stopTimeoutMs, what);
    } catch (thrown) {
      logger.warn({ module, err: toPlainError(thrown) }, 'a module was not taken down cleanly');
    }
  }
}

function dispose(instance: unknown): unknown {
  if (typeof instance !== 'object' || instance === null) return undefined;
  const { [Symbol.asyncDispose]: later, [Symbol.dispose]: now } = instance as Partial<AsyncDisposable & Disposable>;
  return later === undefined ? now?.call(instance) : later.call(instance);
}
