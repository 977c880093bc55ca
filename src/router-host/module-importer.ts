/**
 * Imports a module's file or package as it is, TypeScript included, from the folder of the configuration file.
 *
 * What one importer has read it does not read again; another importer reads everything anew (module-files.ts). `thalamus/module` inside a module is
 * this very process's own kit: its constants and error classes are the same objects, though nothing is installed where the module lies.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as kit from '../module/index.ts';
import { ModuleFiles } from './module-files.ts';

export interface ModuleImporterOptions {
  /** Absolute path of the folder that specifiers are relative to: the configuration file's. */
  readonly configDir: string;
  /** Folder for compiled modules, made when needed; null to compile at each start. */
  readonly cacheDir: string | null;
}

export interface ModuleImporter {
  /** The file that a specifier means, or null if there is none. */
  resolve(specifier: string): string | null;
  /** The module's namespace, or what a CommonJS file exports. Throws whatever goes wrong inside. */
  import(file: string): Promise<unknown>;
  /** Absolute paths of the files read so far, and of those that were looked for in vain; packages are left out. */
  readonly files: ReadonlySet<string>;
}

export async function createModuleImporter({ configDir, cacheDir }: ModuleImporterOptions): Promise<ModuleImporter> {
  // Only who has modules pays for it.
  const { createJiti } = await import('jiti');
  const virtual = { 'thalamus/module': kit };
  const files = new ModuleFiles({
    createJiti,
    jitiOptions: {
      fsCache: cacheDir ?? false,
      interopDefault: false,
      sourceMaps: true,
      virtualModules: virtual,
      alias: ownEntries(),
    },
    virtual,
    ownFolder: fileURLToPath(new URL('../', import.meta.url)),
  });
  const root = join(configDir, 'thalamus.yaml');
  return {
    resolve: (specifier) => files.resolve(specifier, root),
    import: (file) => files.import(file),
    files: files.read,
  };
}

/** The other entries of the package, by the files next to which this one runs: under src, or under dist. */
function ownEntries(): Record<string, string> {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const entry = (folder: string): string => fileURLToPath(new URL(`../${folder}index.${extension}`, import.meta.url));
  return {
    'thalamus/module/testing': entry('testing/'),
    'thalamus/core': entry('core/'),
    'thalamus/ports': entry('ports/'),
    thalamus: entry(''),
  };
}
