/**
 * Signals and accidents of the process, while a server runs in it.
 *
 * The first SIGTERM or SIGINT asks for a stop, a second one does not wait for it. An exception that nobody caught means that the
 * state in memory can be wrong: the process ends, and what is durable is there at the next start. A rejection that nobody handled,
 * mostly of a module that forgot to await, leaves no work half-done that others rely on: it is logged, and the server goes on.
 */
import type { Server } from '../server/server.ts';
import { ExitCode } from './exit-codes.ts';

export interface ProcessEvents extends Disposable {
  /** Resolves with the exit code when the process is to end. */
  readonly ended: Promise<ExitCode>;
}

export interface ProcessEventHandlers {
  readonly logger: Server['logger'];
  /** SIGHUP. */
  readonly reload: () => void;
}

const STOP_SIGNALS = ['SIGTERM', 'SIGINT'] as const;

export function watchProcess({ logger, reload }: ProcessEventHandlers): ProcessEvents {
  let isStopping = false;
  let end: (exitCode: ExitCode) => void = () => undefined;
  const ended = new Promise<ExitCode>((resolve) => {
    end = resolve;
  });

  const onSignal = (signal: NodeJS.Signals): void => {
    if (isStopping) {
      logger.warn({ signal }, 'second signal: ending at once');
      endNow(ExitCode.FAILURE);
      return;
    }
    isStopping = true;
    logger.info({ signal }, 'stopping');
    end(ExitCode.OK);
  };
  const onException = (err: unknown): void => {
    logger.error({ err }, 'an exception was not caught: ending');
    if (isStopping) endNow(ExitCode.FAILURE);
    isStopping = true;
    end(ExitCode.FAILURE);
  };
  const onRejection = (err: unknown): void => {
    logger.error({ err }, 'a rejection was not handled: going on');
  };

  for (const signal of STOP_SIGNALS) process.on(signal, onSignal);
  process.on('SIGHUP', reload);
  process.on('uncaughtException', onException);
  process.on('unhandledRejection', onRejection);
  return {
    ended,
    [Symbol.dispose]: () => {
      for (const signal of STOP_SIGNALS) process.off(signal, onSignal);
      process.off('SIGHUP', reload);
      process.off('uncaughtException', onException);
      process.off('unhandledRejection', onRejection);
    },
  };
}

/** Ends the process if something still keeps it alive `graceMs` from now. Does not keep it alive itself. */
export function endAtTheLatest(exitCode: ExitCode, graceMs: number): void {
  setTimeout(endNow, graceMs, exitCode).unref();
}

function endNow(exitCode: ExitCode): void {
  // oxlint-disable-next-line eslint/no-restricted-properties -- the last resort, when letting the loop empty has not worked
  process.exit(exitCode);
}
