/**
 * Which modules are tried: one file with a configuration from wherever, or all of a server's configuration, in order.
 */
import { existsSync } from 'node:fs';
import { basename, dirname, extname, join, resolve } from 'node:path';
import type { Config } from '../../config/config.ts';
import { loadConfig } from '../../config/load-config.ts';
import type { LoadedConfig } from '../../config/parse-config.ts';
import { ConfigFileError } from '../../config/problems.ts';
import { readYaml } from '../../config/read-yaml.ts';
import { ConfigError } from '../../errors.ts';
import type { ServerName } from '../../matrix/identifiers.ts';
import { ModulesError } from '../../server/modules-error.ts';
import { entryOf, loadModuleFiles, type ModuleFiles } from '../../testing/load-module-files.ts';
import { readTextFile } from '../read-text-file.ts';

type Modules = ModuleFiles['modules'];
export type ModuleConfig = Readonly<Record<string, unknown>>;

export interface ModuleSource {
  /** The file of the module, or of the configuration, if there is one: what stands beside it has its name. */
  readonly file: string | null;
  /** Of scenarios that say none. */
  readonly serverName: ServerName;
  /** Where a problem of the server's configuration stands. */
  readonly loaded: LoadedConfig | null;
  /**
   * @param config - of a scenario; what the command line says wins
   * @throws ModulesError with all problems
   */
  load(config: ModuleConfig | undefined): Promise<Modules>;
}

const DEFAULT_SERVER_NAME = 'example.org';

/** @throws ConfigError when the command line does not say which module, or the configuration is wrong */
export function moduleSource(
  module: string | undefined,
  options: { readonly configuration?: string; readonly config?: string },
  cwd: string,
): ModuleSource {
  if (options.configuration !== undefined) {
    if (module !== undefined) throw new ConfigError('name a module or, with -c, a configuration: not both');
    if (options.config !== undefined) {
      throw new ConfigError('--config is the configuration of one module; with -c it stands in the file');
    }
    return fromConfiguration(loadConfig(resolve(cwd, options.configuration)));
  }
  if (module === undefined) throw new ConfigError('name the file of a module, or a configuration with -c');
  return fromFile(module, options.config === undefined ? undefined : readConfig(options.config, cwd), cwd);
}

function fromConfiguration(loaded: LoadedConfig): ModuleSource {
  const { config } = loaded;
  return {
    file: config.file,
    serverName: config.serverName,
    loaded,
    load: async (own) => {
      if (own !== undefined) {
        throw new ConfigError('a scenario for the modules of a configuration has no config of its own', ['config']);
      }
      return unlessProblems(await loadModuleFiles(config.modules satisfies Config['modules'], config.dir));
    },
  };
}

function fromFile(module: string, given: ModuleConfig | undefined, cwd: string): ModuleSource {
  const [specifier = ''] = module.split('#', 1);
  const path = resolve(cwd, specifier);
  const isFile = /^(\.{0,2}\/|[A-Za-z]:\\)/.test(specifier) || existsSync(path);
  return {
    file: isFile ? path : null,
    serverName: DEFAULT_SERVER_NAME,
    loaded: null,
    load: async (own) => {
      const entry = entryOf(isFile ? path + module.slice(specifier.length) : module, given ?? own ?? {});
      const found = await loadModuleFiles([entry], cwd);
      // The place of the only entry says nothing.
      const problems = found.problems.map((problem) => {
        return problem instanceof ConfigError
          ? new ConfigError(problem.message, problem.path.slice(1), { cause: problem.cause })
          : problem;
      });
      return unlessProblems({ modules: found.modules, problems });
    },
  };
}

function unlessProblems({ modules, problems }: ModuleFiles): Modules {
  if (problems.length > 0) throw new ModulesError(problems);
  return modules;
}

/** `--config`: YAML, so JSON, too, or `@` and a file with it. */
function readConfig(given: string, cwd: string): ModuleConfig {
  const isFile = given.startsWith('@');
  const text = isFile ? readTextFile(resolve(cwd, given.slice(1)), given.slice(1)) : given;
  const yaml = readYaml(text, 'it is empty; without a configuration leave --config out');
  const [problem] = yaml.problems;
  if (problem === undefined) return yaml.value;
  throw new ConfigFileError(isFile ? given.slice(1) : '--config', yaml.problems);
}

/** `my-router.ts` → `my-router.scenario.yaml`, beside it. */
export function scenarioBeside(file: string): string {
  return join(dirname(file), `${basename(file, extname(file))}.scenario.yaml`);
}
