/**
 * Modules that are constructed together and taken down together: what the host asks, or is about to ask, or asks no more.
 *
 * Nobody asks a set before the host takes it; a set that could not be constructed completely has been taken down again. Of what is taken down
 * nothing reaches the server any more, whatever timers of its own a module has left behind.
 */
import type { NoPresenceRouterCallbacks, PresenceRouterCallbacks } from '../module/callbacks.ts';
import { BackgroundCalls } from './background-calls.ts';
import { CallbackList } from './callback-list.ts';
import { constructModule, registerFrom } from './construct-module.ts';
import { createModuleApi } from './create-module-api.ts';
import { toPlainError } from './describe-value.ts';
import { ModuleLoadError } from './errors.ts';
import { createModuleContext, type HostContext } from './host-context.ts';
import type { LoadedModule } from './load-modules.ts';
import { describeEntry, isLegacyEntry } from './module-entry.ts';
import type { ModuleServices, PresenceOperations } from './module-services.ts';
import { CALLBACK_NAMES, unregistered } from './near-misses.ts';
import type { PresenceRouter } from './presence-router.ts';
import { WebResources } from './web-resources.ts';
import { whereThrown } from './where-thrown.ts';
import { within } from './within.ts';

export interface ModuleSetOptions {
  readonly context: HostContext;
  readonly router: PresenceRouter;
  /** How long one module may take to be constructed, and to be taken down, in ms of real time. */
  readonly constructTimeoutMs: number;
  readonly stopTimeoutMs: number;
}

interface Running {
  readonly module: LoadedModule;
  readonly context: HostContext;
  readonly background: BackgroundCalls;
  instance: unknown;
}

export class ModuleSet {
  readonly callbacks = new CallbackList();
  readonly webResources: WebResources;
  readonly #options: ModuleSetOptions;
  #running: readonly Running[] = [];
  #hasEnded = false;

  constructor(options: ModuleSetOptions) {
    this.#options = options;
    this.webResources = new WebResources(options.context);
  }

  get modules(): readonly LoadedModule[] {
    return this.#running.map(({ module }) => module);
  }

  /** In order: of a class what it constructs, of the other forms what they return. */
  get instances(): readonly unknown[] {
    return this.#running.map(({ instance }) => instance);
  }

  /**
   * Constructs modules in order, one after the other. Called once.
   *
   * @throws ModuleLoadError for the first that fails; what was constructed before it has been taken down again
   */
  async construct(modules: readonly LoadedModule[], services: ModuleServices): Promise<void> {
    const guarded = { ...services, presence: this.#guarded(services.presence) };
    try {
      for (const module of modules) await this.#construct(module, guarded);
    } catch (error) {
      await this.stop('its modules could not be constructed');
      throw error;
    }
  }

  /** Stops asking, cancels timers, waits for what runs, each within its time, and disposes of the modules, last first. Never rejects. */
  async stop(reason: string, callbacksTimeoutMs = this.#options.stopTimeoutMs): Promise<void> {
    await this.callbacks.stop(callbacksTimeoutMs, reason);
    await this.#bounded('web resources', () => this.webResources.idle());
    const running = this.#running.toReversed();
    this.#running = [];
    for (const { module, context, background, instance } of running) {
      await this.#bounded('background calls', () => background.stop(), module.name, context);
      await this.#bounded('dispose', () => dispose(instance), module.name, context);
    }
    this.#hasEnded = true;
  }

  async #construct(module: LoadedModule, services: ModuleServices): Promise<void> {
    const { name, callbacks: limits, file } = module;
    const { router, constructTimeoutMs } = this.#options;
    const { callbacks: list, webResources } = this;
    const context = createModuleContext(this.#options.context, module.module, services.serverName);
    const running: Running = { module, context, background: new BackgroundCalls(name, context), instance: undefined };
    this.#running = [...this.#running, running];
    const where = describeEntry(module);
    const fail = (reason: 'construction_failed' | 'half_a_pair', message: string, cause?: Error): never => {
      throw new ModuleLoadError(module.module, reason, `${where}: ${file}: ${message}`, cause && { cause });
    };

    let isConstructing = true;
    let servesWeb = false;
    const registered: (PresenceRouterCallbacks | NoPresenceRouterCallbacks)[] = [];
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
        registered.push(callbacks);
        router.register(name, callbacks, limits, context, list);
      },
      onNoCallbacks: (callbacks) => empty.push(callbacks),
      onHalfPair: (message) => (halfPair = message),
      assertConstructing: (member) => {
        if (!isConstructing) throw new Error(`${member} is possible only while the module is being constructed`);
      },
    });
    const { watchdog } = context;
    const previous = watchdog.enter(watchdog.section(name, 'construction', module.module));
    try {
      const constructing = constructModule(module.definition, module.config, api);
      watchdog.leave(previous);
      running.instance = await within(constructing, constructTimeoutMs, 'construction');
      // Modules under the older key do not register; they only have the two methods.
      if (registered.length === 0 && isLegacyEntry(module)) registerFrom(running.instance, api);
    } catch (thrown) {
      if (halfPair === undefined) {
        const cause = toPlainError(thrown);
        const at = whereThrown(cause);
        fail(
          'construction_failed',
          `could not be constructed: ${cause.message}${at === null ? '' : ` at ${at}`}`,
          cause,
        );
      }
    } finally {
      isConstructing = false;
    }
    if (halfPair !== undefined) fail('half_a_pair', halfPair);
    context.logger.info({ module: name }, 'module constructed');
    const found = unregistered(registered, [...empty, module.definition, running.instance]);
    // Without callbacks it may still have something to do.
    if (found.length === 0 && (registered.length > 0 || servesWeb || running.background.used)) return;
    const known = CALLBACK_NAMES.join(', ');
    context.logger.warn(
      { module: name, known, found: found.join(', ') || 'nothing like it' },
      registered.length === 0
        ? 'a module registered no callbacks'
        : 'a module has a function that is called like a callback, but has not registered it',
    );
  }

  #guarded(presence: PresenceOperations): PresenceOperations {
    return {
      sendLocalOnlinePresenceTo: async (users) => {
        if (!this.#hasEnded) await presence.sendLocalOnlinePresenceTo(users);
      },
      setPresenceForUsers: async (users) => {
        if (!this.#hasEnded) await presence.setPresenceForUsers(users);
      },
      invalidateInterestedUsers: (users) => {
        if (!this.#hasEnded) presence.invalidateInterestedUsers(users);
      },
      invalidateUsersForStates: (sources) => {
        if (!this.#hasEnded) presence.invalidateUsersForStates(sources);
      },
      invalidateRestrictions: (sources) => {
        if (!this.#hasEnded) presence.invalidateRestrictions(sources);
      },
    };
  }

  async #bounded(what: string, f: () => unknown, module = 'all', { logger } = this.#options.context): Promise<void> {
    try {
      await within(f(), this.#options.stopTimeoutMs, what);
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
