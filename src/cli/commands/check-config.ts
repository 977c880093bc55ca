/**
 * `thalamus check-config`: everything that would stop a start, without starting: keys, values, files, and the modules' own configuration.
 */
import { loadConfig } from '../../config/load-config.ts';
import { formatProblem } from '../../config/problems.ts';
import { checkFiles } from '../../server/check-files.ts';
import { loadConfiguredModules } from '../../server/load-configured-modules.ts';
import { ExitCode } from '../exit-codes.ts';
import { explainAll } from '../explain-failure.ts';
import type { Terminal } from '../terminal.ts';

export async function checkConfig(options: { readonly config: string }, terminal: Terminal): Promise<ExitCode> {
  let loaded = null;
  const problems: unknown[] = [];
  try {
    loaded = loadConfig(options.config);
    for (const warning of loaded.warnings) terminal.complain(`warning: ${formatProblem(loaded.fileName, warning)}`);
    problems.push(...checkFiles(loaded.config));
    await loadConfiguredModules(loaded.config, null);
  } catch (error) {
    problems.push(error);
  }
  if (problems.length > 0) {
    const { exitCode, lines } = explainAll(problems, loaded);
    for (const line of lines) terminal.complain(line);
    terminal.complain(lines.length === 1 ? '1 problem' : `${lines.length} problems`);
    return exitCode;
  }
  terminal.print(`${options.config} is right`);
  return ExitCode.OK;
}
