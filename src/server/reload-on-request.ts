/**
 * A reload that somebody asks for over the admin API: the configuration's file, then the modules, as with SIGHUP, and what came of it.
 */
import { existsSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import { loadConfig } from '../config/load-config.ts';
import { ConfigFileError, describeProblem } from '../config/problems.ts';
import { ConfigError } from '../errors.ts';
import type { ModulesNotReloaded, ModulesReloaded } from '../http/admin-api/index.ts';
import { ModulesError } from './modules-error.ts';
import type { ReloadReport, Server } from './server.ts';

/** Rejects only for defects. */
export async function reloadOnRequest(
  { file }: Pick<Config, 'file'>,
  server: Pick<Server, 'reload' | 'reloadModules' | 'logger'>,
): Promise<ModulesReloaded | ModulesNotReloaded> {
  let report: ReloadReport = { reloaded: [], needRestart: [] };
  try {
    // A program may have a configuration that has never been a file.
    if (existsSync(file)) report = server.reload(loadConfig(file).config);
    return { ...(await server.reloadModules()), ...report };
  } catch (error) {
    const problems = problemsOf(error);
    if (problems === null) throw error;
    if (!(error instanceof ModulesError)) {
      server.logger.error({ problems }, 'the configuration was not read again: the one before stays');
    }
    return { problems };
  }
}

function problemsOf(error: unknown): readonly string[] | null {
  if (error instanceof ModulesError) return error.problems.map((problem) => describeProblem(problem));
  if (error instanceof ConfigFileError) return error.message.split('\n');
  return error instanceof ConfigError ? [describeProblem(error)] : null;
}
