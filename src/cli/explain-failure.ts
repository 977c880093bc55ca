/**
 * What went wrong, in words an administrator can act on, and the exit code that goes with it.
 */
import { ConfigFileError, describeProblem, formatProblem } from '../config/problems.ts';
import type { LoadedConfig } from '../config/parse-config.ts';
import { ConfigError, PresenceError } from '../errors.ts';
import { ModulesError } from '../server/modules-error.ts';
import { ExitCode } from './exit-codes.ts';

export interface Failure {
  readonly exitCode: ExitCode;
  /** One problem each. */
  readonly lines: readonly string[];
}

/** The file in which problems stand. */
type Place = Pick<LoadedConfig, 'fileName' | 'locate'>;

/** @param loaded - the configuration that was in use, to say where a problem stands */
export function explainFailure(error: unknown, loaded: Place | null): Failure {
  if (error instanceof ConfigFileError) return { exitCode: ExitCode.CONFIG, lines: error.message.split('\n') };
  if (error instanceof ModulesError) return explainAll(error.problems, loaded);
  if (error instanceof ConfigError) return { exitCode: ExitCode.CONFIG, lines: [explainConfigError(error, loaded)] };
  if (error instanceof PresenceError) {
    const isModule = error.code === 'PRESENCE_ERR_MODULE_LOAD';
    return { exitCode: isModule ? ExitCode.MODULE : ExitCode.FAILURE, lines: [withCause(error)] };
  }
  const file = explainFileError(error);
  if (file !== null) return { exitCode: ExitCode.FAILURE, lines: [file] };
  const network = explainNetworkError(error);
  if (network !== null) return { exitCode: ExitCode.FAILURE, lines: [network] };
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { exitCode: ExitCode.FAILURE, lines: [`this is a defect of Thalamus: ${text}`] };
}

/** Several at once. */
export function explainAll(problems: readonly unknown[], loaded: Place | null): Failure {
  const failures = problems.map((problem) => explainFailure(problem, loaded));
  // With both, the configuration is the better place to begin.
  const codes = failures.map(({ exitCode }) => exitCode);
  const exitCode = codes.includes(ExitCode.CONFIG) ? ExitCode.CONFIG : (codes[0] ?? ExitCode.FAILURE);
  return { exitCode, lines: failures.flatMap(({ lines }) => lines) };
}

function explainConfigError(error: ConfigError, loaded: Place | null): string {
  const message = withCause(error);
  if (loaded === null) return describeProblem(error, message);
  return formatProblem(loaded.fileName, { path: error.path, position: loaded.locate(error.path), message });
}

/** The message, and the causes' messages where they say more. */
function withCause(error: Error): string {
  let text = error.message;
  for (let cause = error.cause; cause instanceof Error; cause = cause.cause) {
    // Of several lines, the first says what is wrong, and the text where.
    if (!text.includes(cause.message.split('\n', 1).join('').trim())) text += ` (${cause.name}: ${cause.message})`;
    else if (!PLAIN_NAMES.has(cause.name)) text += ` (${cause.name})`;
  }
  return text;
}

const PLAIN_NAMES = new Set(['Error', 'ConfigError']);

/** What the file system refused, with the path that it refused. */
function explainFileError(error: unknown): string | null {
  if (!(error instanceof Error) || !('code' in error) || !('path' in error) || typeof error.path !== 'string')
    return null;
  // A listener on a Unix socket has a path, too.
  if ('syscall' in error && (error.syscall === 'listen' || error.syscall === 'bind')) return null;
  switch (error.code) {
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return `${error.path} may not be opened or written by this user (${error.message})`;
    default:
      return `${error.path} cannot be opened or written: ${error.message}`;
  }
}

function explainNetworkError(error: unknown): string | null {
  if (!(error instanceof Error) || !('code' in error)) return null;
  const { address, port } = error as Partial<{ address: string; port: number }>;
  const where =
    port === undefined ? (address ?? '') : `${address?.includes(':') === true ? `[${address}]` : address}:${port}`;
  switch (error.code) {
    case 'EADDRINUSE':
      return `${where} is in use: another program listens there. Stop it, or choose another port under listeners`;
    case 'EACCES':
    case 'EPERM':
      return `${where} may not be opened by this user: ports below 1024 are often reserved. Choose another port under listeners`;
    case 'EADDRNOTAVAIL':
      return `${where} is not an address of this machine: correct bind_addresses under listeners`;
    case 'ENOTFOUND':
      return `${where === '' ? error.message : where} is no address: correct bind_addresses under listeners`;
    default:
      return null;
  }
}
