/**
 * Reads the configuration of a running server again, takes over what can be taken over, and loads the modules anew.
 */
import { loadConfig } from '../config/load-config.ts';
import type { LoadedConfig } from '../config/parse-config.ts';
import { formatPath, formatProblem } from '../config/problems.ts';
import type { ModulesReloadReport, Server } from '../server/server.ts';
import { explainFailure } from './explain-failure.ts';

/** `lines`: what is wrong, for people. */
export type ReloadOutcome =
  | { readonly isDone: true; readonly report: ModulesReloadReport }
  | { readonly isDone: false; readonly lines: readonly string[] };

/** Never rejects: what goes wrong is logged. When anything is wrong with the file, everything stays as it is. */
export async function reload(server: Server, fileName: string): Promise<ReloadOutcome> {
  const { logger } = server;
  let loaded: LoadedConfig | null = null;
  try {
    loaded = loadConfig(fileName);
    logWarnings(loaded, server);
    server.reload(loaded.config);
  } catch (error) {
    const { lines } = explainFailure(error, loaded);
    logger.error({ problems: lines }, 'the configuration was not read again: the one before stays');
    return { isDone: false, lines };
  }
  try {
    return { isDone: true, report: await server.reloadModules() };
  } catch (error) {
    // The server has logged it.
    return { isDone: false, lines: explainFailure(error, loaded).lines };
  }
}

export function logWarnings({ fileName, warnings }: LoadedConfig, { logger }: Server): void {
  for (const warning of warnings) {
    logger.warn(
      {
        where: formatProblem(fileName, { ...warning, path: [], message: '' }).replace(/: $/, ''),
        key: formatPath(warning.path),
        warning: warning.message,
      },
      'configuration',
    );
  }
}
