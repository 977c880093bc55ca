/**
 * One entry of the `modules` list, as the configuration hands it over, and how messages speak of it.
 */
import type { CallbackLimits } from './callback-limits.ts';

export interface ModuleEntry {
  /** `"./my-router.ts"`, `"./my-router.ts#MyRouter"` or `"my-package#MyRouter"`. */
  readonly module: string;
  /** What logs and metrics call it; null for its place in the list. */
  readonly name: string | null;
  /** The mapping as written; `{}` if there is none. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly callbacks: CallbackLimits;
  /** Where it stands in the configuration: `['modules', 0]`. */
  readonly path: readonly (string | number)[];
}

/** `modules[0] (./my-router.ts#MyRouter)` */
export function describeEntry({ path, module }: Pick<ModuleEntry, 'path' | 'module'>): string {
  const place = path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`)).join('');
  return `${place.replace(/^\./, '')} (${module})`;
}

/** What comes before and after the `#`; without one, and with nothing after it, the export is null. */
export function splitSpecifier(module: string): { specifier: string; exportName: string | null } {
  const hash = module.lastIndexOf('#');
  if (hash < 0) return { specifier: module, exportName: null };
  return { specifier: module.slice(0, hash), exportName: module.slice(hash + 1) || null };
}

/** Whether it stands under `presence.presence_router`, where the reference server had routers before there were modules. */
export function isLegacyEntry({ path }: Pick<ModuleEntry, 'path'>): boolean {
  return path[0] === 'presence';
}
