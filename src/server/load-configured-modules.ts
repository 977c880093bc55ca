/**
 * First phase of modules: their files are imported and their configuration is checked; nothing is constructed.
 */
import type { Config } from '../config/config.ts';
import { type LoadedModule, loadModules } from '../router-host/index.ts';
import { ModulesError } from './modules-error.ts';

/**
 * @param noteFiles - told of the files that were read, also when there are problems
 * @throws ModulesError with the problems of all modules
 */
export async function loadConfiguredModules(
  config: Config,
  cacheDir: string | null,
  noteFiles: (files: readonly string[]) => void = () => undefined,
): Promise<readonly LoadedModule[]> {
  const { modules, problems, files } = await loadModules(config.modules, { configDir: config.dir, cacheDir });
  noteFiles(files);
  if (problems.length > 0) throw new ModulesError(problems);
  return modules;
}
