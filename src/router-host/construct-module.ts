/**
 * Second phase of one module: construct it, with its configuration and its `api`, whatever form it is written in.
 */
import type { ModuleApi } from '../module/module-api.ts';
import type { ModuleClass, ModuleDefinition, ModuleFunction, ModuleObject } from '../module/module-kinds.ts';
import { CALLBACK_NAMES } from './near-misses.ts';

/**
 * Returns the module's instance: what is disposed of at shutdown. A function, and `setup` of an object, may return callbacks; so
 * may an object itself have them. They are registered here.
 *
 * @throws whatever the module throws
 */
export async function constructModule(definition: ModuleDefinition, config: unknown, api: ModuleApi): Promise<unknown> {
  if (isClass(definition)) {
    const instance: unknown = new definition(config, api);
    return instance;
  }
  if (isFunction(definition)) return registerFrom(await definition(config, api), api);
  const module: ModuleObject = definition;
  const result: unknown = await module.setup?.(config, api);
  registerFrom(module, api);
  return registerFrom(result, api);
}

/** An object without callbacks is no reason to complain; half a pair is, and is found where it is registered. */
export function registerFrom(from: unknown, api: ModuleApi): unknown {
  if (typeof from === 'object' && from !== null && CALLBACK_NAMES.some((name) => name in from)) {
    api.registerPresenceRouterCallbacks(from);
  }
  return from;
}

/** `class …`, or a function with methods on its prototype, as compilers to old JavaScript write classes. */
function isClass(definition: ModuleDefinition): definition is ModuleClass {
  if (typeof definition !== 'function') return false;
  if (/^class\b/.test(Function.prototype.toString.call(definition))) return true;
  const prototype: unknown = 'prototype' in definition ? definition.prototype : undefined;
  return typeof prototype === 'object' && prototype !== null && Object.getOwnPropertyNames(prototype).length > 1;
}

function isFunction(definition: Exclude<ModuleDefinition, ModuleClass>): definition is ModuleFunction {
  return typeof definition === 'function';
}
