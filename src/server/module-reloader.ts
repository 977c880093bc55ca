/**
 * Loads the modules of the configuration anew and puts them in the place of those that run. When anything fails, those stay.
 *
 * One reload at a time: whoever asks while one is under way shares the one after it, which reads the files as they are by then.
 */
import type { Config } from '../config/config.ts';
import { describeProblem } from '../config/problems.ts';
import type { Logger } from '../ports/logger.ts';
import type { Counter, Metrics } from '../ports/metrics.ts';
import type { PresenceHandler } from '../presence/index.ts';
import type { ModuleHost, ModuleServices } from '../router-host/index.ts';
import { loadConfiguredModules } from './load-configured-modules.ts';
import { ModulesError } from './modules-error.ts';
import type { ModulesReloadReport } from './server.ts';

export interface ModuleReloaderParts {
  /** The newest one that was read. */
  readonly config: () => Config;
  readonly cacheDir: string | null;
  readonly host: Pick<ModuleHost, 'modules' | 'replace'>;
  readonly services: ModuleServices;
  readonly presence: Pick<PresenceHandler, 'modulesReplaced'>;
  readonly noteFiles: (files: readonly string[]) => void;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** The modules are exchanged; `delivered` resolves when everybody has been told what differs for them. */
interface Exchange {
  readonly report: ModulesReloadReport;
  readonly delivered: Promise<void>;
}

export class ModuleReloader {
  readonly #parts: ModuleReloaderParts;
  readonly #reloads: Counter;
  #running: Promise<Exchange> | null = null;
  #next: Promise<Exchange> | null = null;

  constructor(parts: ModuleReloaderParts) {
    this.#parts = parts;
    this.#reloads = parts.metrics.counter({
      name: 'thalamus_module_reloads_total',
      help: 'Reloads of the modules: ok, failed (the ones before stay)',
      labelNames: ['outcome'],
    });
  }

  /**
   * Resolves when the new modules are asked and what differs in who sees whom is delivered.
   *
   * @throws ModulesError that says why the old ones stay
   */
  async reload(): Promise<ModulesReloadReport> {
    const { report, delivered } = await this.#exchange();
    await delivered;
    return report;
  }

  #exchange(): Promise<Exchange> {
    const running = this.#running;
    if (running === null) return this.#begin();
    this.#next ??= (async () => {
      await running.catch(() => undefined);
      this.#next = null;
      return this.#begin();
    })();
    return this.#next;
  }

  async #begin(): Promise<Exchange> {
    const running = this.#replace();
    this.#running = running;
    try {
      return await running;
    } finally {
      this.#running = null;
    }
  }

  async #replace(): Promise<Exchange> {
    const { config, cacheDir, host, services, presence, noteFiles, logger } = this.#parts;
    const start = performance.now();
    const before = host.modules.length;
    try {
      const modules = await loadConfiguredModules(config(), cacheDir, noteFiles);
      let delivered = Promise.resolve();
      await host.replace(modules, services, () => {
        delivered = presence.modulesReplaced();
      });
      const tookMs = Math.round(performance.now() - start);
      const report = { modules: modules.map(({ name, module, file }) => ({ name, module, file })), tookMs };
      this.#reloads.inc({ outcome: 'ok' });
      if (before > 0 || modules.length > 0) {
        logger.info({ modules: modules.map(({ module }) => module), tookMs }, 'modules reloaded');
      }
      delivered.catch((err: unknown) => {
        logger.error({ err }, 'who sees whom was not delivered after a reload of the modules');
      });
      return { report, delivered };
    } catch (error) {
      this.#reloads.inc({ outcome: 'failed' });
      const failure = asModulesError(error);
      const problems = failure.problems.map((problem) => describeProblem(problem));
      logger.error({ problems }, 'modules were not reloaded: the ones before stay');
      throw failure;
    }
  }
}

function asModulesError(error: unknown): ModulesError {
  if (error instanceof ModulesError) return error;
  return new ModulesError([error instanceof Error ? error : new Error(String(error))]);
}
