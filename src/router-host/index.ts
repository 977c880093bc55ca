/** The router host, for those who put a server together: load modules, construct them, ask them, take them down. */
export { type CallbackLimits, DEFAULT_CALLBACK_LIMITS } from './callback-limits.ts';
export { ModuleCallbackError, ModuleLoadError, type ModuleLoadReason } from './errors.ts';
export { type LoadedModule, type LoadedModules, loadModules, type LoadModulesOptions } from './load-modules.ts';
export { ModuleHost, type ModuleHostOptions } from './module-host.ts';
export type { ModuleEntry } from './module-entry.ts';
export type { AccountLookups, ModuleServices, PresenceOperations } from './module-services.ts';
export { prepareModule } from './prepare-module.ts';
export { type Interest, NO_ROUTER, type Router } from './router-api.ts';
export type { WatchdogOptions } from './watchdog.ts';
export { WebResources } from './web-resources.ts';
