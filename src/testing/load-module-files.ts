/**
 * Modules from files, for a harness: what the server's loader does, for one module or for those of a configuration.
 */
import { DEFAULT_CALLBACK_LIMITS, type LoadedModule, loadModules, type ModuleEntry } from '../router-host/index.ts';

export interface ModuleFiles {
  readonly modules: readonly LoadedModule[];
  /** `ConfigError`s and `ModuleLoadError`s. Use the modules only if there are none. */
  readonly problems: readonly Error[];
}

/** An entry of one module that no configuration names: its problems stand below `module`. */
export function entryOf(module: string, config: Readonly<Record<string, unknown>>): ModuleEntry {
  return { module, name: null, config, callbacks: DEFAULT_CALLBACK_LIMITS, path: ['module'] };
}

/** @param configDir - absolute: what packages are looked for from */
export async function loadModuleFiles(entries: readonly ModuleEntry[], configDir: string): Promise<ModuleFiles> {
  return loadModules(entries, { configDir, cacheDir: null });
}
