/**
 * Modules as they are once their files are loaded, for tests of the host: each has its place as name, and as configuration.
 */
import type { ModuleDefinition } from '../../src/module/index.ts';
import { DEFAULT_CALLBACK_LIMITS } from '../../src/router-host/callback-limits.ts';
import type { LoadedModule } from '../../src/router-host/load-modules.ts';

export function loadedModules(...definitions: unknown[]): LoadedModule[] {
  return definitions.map((definition, index) => ({
    module: './router.ts',
    name: String(index),
    path: ['modules', index],
    callbacks: DEFAULT_CALLBACK_LIMITS,
    file: '/etc/router.ts',
    definition: definition as ModuleDefinition,
    config: { index },
  }));
}
