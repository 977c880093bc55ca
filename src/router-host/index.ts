/** The router host, for those who put a server together: load modules, construct them, ask them, take them down. */
export { DEFAULT_CALLBACK_LIMITS } from './callback-limits.ts';
export { ModuleLoadError } from './errors.ts';
export type { Examined } from './examine.ts';
export type { Examination, ExaminedModule } from './examine-modules.ts';
export { type LoadedModule, loadModules, type LoadModulesOptions } from './load-modules.ts';
export type { ModuleEntry } from './module-entry.ts';
export { ModuleHost, type ModuleHostOptions } from './module-host.ts';
export type { AccountLookups, ModuleServices } from './module-services.ts';
export type { CallbackReport } from './callback-runner.ts';
export type { ModuleReport } from './registration.ts';
export { prepareModule } from './prepare-module.ts';
export type { Interest, Restrictions, Router } from './router-api.ts';
